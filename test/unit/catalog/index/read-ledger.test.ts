import { appendFile, mkdir, open, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LedgerBuilder } from '../../../../src/catalog/index/ledger-builder.ts';
import { decodeLedger, encodeLedger } from '../../../../src/catalog/index/ledger-store.ts';
import { readLedger } from '../../../../src/catalog/index/read-ledger.ts';
import { WalIndex } from '../../../../src/catalog/index/wal-index.ts';
import { type ServerLayout, serverLockPath, xlogdbPath } from '../../../../src/catalog/server-layout.ts';
import { readArchivedWal } from '../../../../src/catalog/wal/read-continuity.ts';
import { OperatorError } from '../../../../src/shared/operator-error.ts';
import { defaultSegmentSize, segmentAtIndex } from '../../../../src/wal/wal-name.ts';
import { runProgram } from '../../../helpers/run-program.ts';
import { canMount, mountSmallFileSystem } from '../../../helpers/small-file-system.ts';
import { quietContext } from '../../check/check-setup.ts';
import { anEntry, walOf } from '../a-backup.ts';
import { aCatalog } from '../a-catalog.ts';

const mayMount = await canMount();
const storing = { programPath: '/usr/bin:/bin', environment: {}, config: { options: {} } };
const line = (short: string) => `${walOf(short)}\t16777216\t1770000000.5\tNone\n`;
const lines = (...shorts: readonly string[]) => shorts.map(line).join('');

/** `1:2-4 2:5-5`: what is known of the archive. */
async function known(layout: ServerLayout, segmentSize = defaultSegmentSize): Promise<string> {
  const runs = (await readLedger(layout)).runs(segmentSize);
  return runs.timelines
    .flatMap((timeline) => runs.of(timeline).map(({ first, last }) => `${String(timeline)}:${String(first)}-${String(last)}`))
    .join(' ');
}

function storePath(layout: ServerLayout): string {
  return join(layout.root, '.pgcellar', 'wal-ledger');
}

/** Makes the ledger say something that is in no index: whoever believes it has not read the index again. */
async function forge(layout: ServerLayout): Promise<void> {
  const stored = decodeLedger(new Uint8Array(await readFile(storePath(layout))))!;
  const builder = new LedgerBuilder(stored.ledger);
  builder.add(anEntry('9:1'));
  await writeFile(storePath(layout), encodeLedger({ ...stored, ledger: builder.build() }));
}

/** Every change that comes later has another time stamp, which is what the ledger goes by. */
async function settle(layout: ServerLayout): Promise<void> {
  await delay(30);
  await readLedger(layout);
}

describe('the known facts', () => {
  test('is not read again, and what was added is', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:3') });
    expect(await known(catalog.layout)).toBe('1:2-3');
    await forge(catalog.layout);
    expect(await known(catalog.layout)).toBe('1:2-3 9:1-1');
    await appendFile(xlogdbPath(catalog.layout), lines('1:4', '1:6')); // as Barman does
    expect(await known(catalog.layout)).toBe('1:2-4 1:6-6 9:1-1');
    await using index = await WalIndex.open(catalog.layout);
    await index.append([anEntry('1:5')]);
    await index[Symbol.asyncDispose]();
    expect(await known(catalog.layout)).toBe('1:2-6 9:1-1');
  });

  test('is not written again when nothing is new', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2') });
    await known(catalog.layout);
    const before = await stat(storePath(catalog.layout));
    await known(catalog.layout);
    expect((await stat(storePath(catalog.layout))).ino).toBe(before.ino);
  });

  test('a line that is being written counts once it is whole', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': line('1:2') + line('1:3').slice(0, 30) });
    expect(await known(catalog.layout)).toBe('1:2-2');
    await appendFile(xlogdbPath(catalog.layout), line('1:3').slice(30));
    expect(await known(catalog.layout)).toBe('1:2-3');
  });

  test('an index that was empty at first', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': '' });
    expect(await known(catalog.layout)).toBe('');
    await appendFile(xlogdbPath(catalog.layout), line('1:2'));
    expect(await known(catalog.layout)).toBe('1:2-2');
  });

  test.each<{ title: string; change: (layout: ServerLayout) => Promise<void>; expected: string }>([
    {
      title: 'an index that we wrote anew',
      change: async (layout) => {
        await using index = await WalIndex.open(layout);
        await index.remove(new Set([walOf('1:3')]));
      },
      expected: '1:2-2 1:4-4',
    },
    {
      title: 'one in which a single line was rewritten in place, as long as before',
      change: async (layout) => writeFile(xlogdbPath(layout), lines('1:2', '1:7', '1:4')),
      expected: '1:2-2 1:4-4 1:7-7',
    },
    {
      title: 'one that Barman cut in place',
      change: async (layout) => writeFile(xlogdbPath(layout), lines('1:3', '1:4')),
      expected: '1:3-4',
    },
    {
      title: 'one that Barman cut in place, longer by now than it was',
      change: async (layout) => writeFile(xlogdbPath(layout), lines('1:3', '1:4', '1:5', '1:6')),
      expected: '1:3-6',
    },
    {
      title: 'one that lost a line in its middle and got others',
      change: async (layout) => writeFile(xlogdbPath(layout), lines('1:2', '1:4', '1:5', '1:6')),
      expected: '1:2-2 1:4-6',
    },
    {
      title: 'one that is missing, which is built again',
      change: async (layout) => rm(xlogdbPath(layout)),
      expected: '',
    },
  ])('is forgotten for $title', async ({ change, expected }) => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:3', '1:4') });
    await known(catalog.layout);
    await forge(catalog.layout);
    await change(catalog.layout);
    expect(await known(catalog.layout)).toBe(expected);
    expect(await known(catalog.layout)).toBe(expected);
  });

  test('is still known when another file has the same content', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:3') });
    await known(catalog.layout);
    await forge(catalog.layout);
    await writeFile(`${xlogdbPath(catalog.layout)}.new`, lines('1:2', '1:3', '1:4'));
    await rename(`${xlogdbPath(catalog.layout)}.new`, xlogdbPath(catalog.layout));
    expect(await known(catalog.layout)).toBe('1:2-4 9:1-1');
  });

  test('is forgotten when segments have another size', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': '000000010000000100000001 1 1.0 None\n' });
    expect(await known(catalog.layout)).toBe('1:257-257');
    expect(await known(catalog.layout, 64 * 1024 * 1024)).toBe('1:65-65');
  });

  test.each<{ title: string; damage: (path: string) => Promise<void> }>([
    { title: 'nothing', damage: async (path) => writeFile(path, '') },
    { title: 'half of it', damage: async (path) => truncate(path, Math.floor((await stat(path)).size / 2)) },
    { title: 'a flipped bit', damage: async (path) => flipBit(path, 200) },
    { title: 'a flipped bit in its first bytes', damage: async (path) => flipBit(path, 1) },
    { title: 'another format', damage: async (path) => flipBit(path, 4) },
    { title: 'something else', damage: async (path) => writeFile(path, 'of somebody else, and long enough for a preamble') },
    { title: 'no file', damage: async (path) => rm(path) },
  ])('$title in place of the ledger is like none', async ({ damage }) => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:3') });
    await known(catalog.layout);
    const stored = await readFile(storePath(catalog.layout));
    await damage(storePath(catalog.layout));
    expect(await known(catalog.layout)).toBe('1:2-3');
    expect(await readFile(storePath(catalog.layout))).toEqual(stored);
  });

  test('a damaged mark is like none', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:3') });
    await settle(catalog.layout);
    await flipBit(`${storePath(catalog.layout)}.mark`, 30);
    await appendFile(xlogdbPath(catalog.layout), line('1:4'));
    expect(await known(catalog.layout)).toBe('1:2-4');
  });

  test('is read without the lock once it is settled', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:3') });
    await settle(catalog.layout);
    await delay(30);
    await settle(catalog.layout);
    await rm(serverLockPath(catalog.layout, 'xlogdb'));
    expect(await known(catalog.layout)).toBe('1:2-3');
    await expect(stat(serverLockPath(catalog.layout, 'xlogdb'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a line that is no entry is told by its number in the whole file', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:3') });
    await known(catalog.layout);
    await appendFile(xlogdbPath(catalog.layout), 'nonsense\n');
    await expect(known(catalog.layout)).rejects.toThrow(`${xlogdbPath(catalog.layout)}:3: not a line of a WAL index: nonsense`);
  });

  test('is the same in whatever pieces the index was read', async () => {
    const segments = fc.array(fc.integer({ min: 250, max: 262 }), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(segments, { maxLength: 3 }), async (pieces) => {
        await using catalog = await aCatalog({ 'wals/main-xlog.db': '' });
        for (const piece of pieces) {
          const text = piece.map((index) => `${segmentAtIndex(1, index, defaultSegmentSize)}\t1\t${String(index)}.0\tNone\n`);
          await appendFile(xlogdbPath(catalog.layout), text.join(''));
          await known(catalog.layout);
        }
        const inPieces = await known(catalog.layout);
        await rm(storePath(catalog.layout), { force: true });
        expect(inPieces).toBe(await known(catalog.layout));
      }),
      { numRuns: 15 },
    );
  });
});

async function flipBit(path: string, at: number): Promise<void> {
  await using file = await open(path, 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
  await file.write(Buffer.of((buffer[0] ?? 0) ^ 1), 0, 1, at);
}

describe('histories', () => {
  const switchesOf = async (layout: ServerLayout) => {
    const { histories } = await readArchivedWal({ layout, ...storing }, defaultSegmentSize, quietContext());
    return [...histories].map(([timeline, left]) => [timeline, left.map(({ timeline: parent }) => parent)]);
  };

  test('are read once, compressed or not, and again when the file is another one', async () => {
    await using catalog = await aCatalog({
      'wals/main-xlog.db': lines('1:2', '00000002.history', '00000003.history'),
      'wals/00000002.history': gzipSync('1\t0/3000000\tno reason\n'),
      'wals/00000003.history': '1\t0/3000000\tno reason\n2\t0/4000000\tno reason\n',
    });
    const expected = [
      [2, [1]],
      [3, [1, 2]],
    ];
    expect(await switchesOf(catalog.layout)).toEqual(expected);
    expect(await switchesOf(catalog.layout)).toEqual(expected);
    await catalog.write({ 'wals/00000003.history': '2\t0/4000000\tno reason\n' });
    expect(await switchesOf(catalog.layout)).toEqual([
      [2, [1]],
      [3, [2]],
    ]);
  });

  test('one that cannot be read is tried again', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '00000002.history') });
    expect(await switchesOf(catalog.layout)).toEqual([]);
    await catalog.write({ 'wals/00000002.history': '1\t0/3000000\tno reason\n' });
    expect(await switchesOf(catalog.layout)).toEqual([[2, [1]]]);
  });
});

test('a history that unpacks to more than any history has is named, and read no further', async () => {
  await using catalog = await aCatalog({
    'wals/main-xlog.db': lines('1:2', '00000002.history'),
    'wals/00000002.history': gzipSync(Buffer.alloc(200 << 20, '1\t0/3000000\tno reason\n')),
  });
  const before = process.memoryUsage().rss;
  const { histories, unreadable } = await readArchivedWal(
    { layout: catalog.layout, ...storing },
    defaultSegmentSize,
    quietContext(),
  );
  expect([...histories]).toEqual([]);
  expect(unreadable).toMatchObject([
    { name: '00000002.history', reason: expect.stringContaining('more than 1048576 bytes') as string },
  ]);
  expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20);
});

describe('where nothing can be stored', () => {
  test('a file in place of the folder', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2'), '.pgcellar': 'a file' });
    expect(await known(catalog.layout)).toBe('1:2-2');
  });

  test.skipIf(!mayMount)('a read-only file system', async () => {
    await using disk = await mountSmallFileSystem({ sizeMib: 1 });
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:4') });
    const layout = { ...catalog.layout, ...movedTo(disk.path) };
    await mkdir(layout.wals, { recursive: true });
    await writeFile(xlogdbPath(layout), lines('1:2', '1:4'));
    expect((await runProgram(['mount', '-o', 'remount,ro', disk.path])).exitCode).toBe(0);
    expect(await known(layout)).toBe('1:2-2 1:4-4');
    await expect(WalIndex.open(layout)).rejects.toBeInstanceOf(OperatorError);
  });

  test.skipIf(!mayMount)('a full disk', async () => {
    await using disk = await mountSmallFileSystem({ sizeMib: 1 });
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:4') });
    await writeFile(join(disk.path, 'filler'), Buffer.alloc(1 << 20)).catch(() => undefined); // writes as much as there is room for
    expect(await known({ ...catalog.layout, root: disk.path })).toBe('1:2-2 1:4-4');
  });

  function movedTo(root: string): Pick<ServerLayout, 'root' | 'wals' | 'xlogdb' | 'locks'> {
    return { root, wals: join(root, 'wals'), xlogdb: join(root, 'wals'), locks: root };
  }
});
