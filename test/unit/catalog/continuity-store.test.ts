import { appendFile, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readArchivedWal } from '../../../src/catalog/continuity-store.ts';
import { readContinuity } from '../../../src/catalog/read-continuity.ts';
import { type ServerLayout, xlogdbPath } from '../../../src/catalog/server-layout.ts';
import { WalIndex } from '../../../src/catalog/wal-index.ts';
import { OperatorError } from '../../../src/shared/operator-error.ts';
import { defaultSegmentSize, segmentAtIndex } from '../../../src/wal/wal-name.ts';
import { runProgram } from '../../helpers/run-program.ts';
import { canMount, mountSmallFileSystem } from '../../helpers/small-file-system.ts';
import { quietContext } from '../check/check-setup.ts';
import { aBackup, anEntry, idOf, walOf } from './a-backup.ts';
import { aCatalog } from './a-catalog.ts';

const mayMount = await canMount();
const surroundings = { path: '/usr/bin:/bin', environment: {} };
const line = (short: string) => `${walOf(short)}\t16777216\t1770000000.5\tNone\n`;
const lines = (...shorts: readonly string[]) => shorts.map(line).join('');

/** `1:2-4 2:5-5`: what is known of the archive. */
async function known(layout: ServerLayout, segmentSize = defaultSegmentSize): Promise<string> {
  const { runs } = await readArchivedWal({ layout, segmentSize, surroundings }, quietContext());
  return runs.timelines
    .flatMap((timeline) => runs.of(timeline).map(({ first, last }) => `${String(timeline)}:${String(first)}-${String(last)}`))
    .join(' ');
}

function storePath(layout: ServerLayout): string {
  return join(layout.root, '.pgcellar', 'continuity.json');
}

/** Makes the store say something that is in no index: whoever believes it has not read the index again. */
async function forge(layout: ServerLayout): Promise<void> {
  const text = await readFile(storePath(layout), 'utf8');
  const { runs, ...rest } = JSON.parse(text) as { runs: Record<string, unknown> }; // our own file
  await writeFile(storePath(layout), JSON.stringify({ ...rest, runs: { ...runs, 9: [[1, 1, 1]] } }));
}

describe('what is known', () => {
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
        await index.retain(({ name }) => name !== walOf('1:3'));
      },
      expected: '1:2-2 1:4-4',
    },
    {
      title: 'another file with the same content',
      change: async (layout) => {
        await writeFile(`${xlogdbPath(layout)}.new`, lines('1:2', '1:3', '1:4'));
        await rename(`${xlogdbPath(layout)}.new`, xlogdbPath(layout));
      },
      expected: '1:2-4',
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

  test('is forgotten when segments have another size', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': '000000010000000100000001 1 1.0 None\n' });
    expect(await known(catalog.layout)).toBe('1:257-257');
    expect(await known(catalog.layout, 64 * 1024 * 1024)).toBe('1:65-65');
  });

  test.each([
    { title: 'nothing', content: '' },
    { title: 'half a file', content: '{"format":1,"segm' },
    { title: 'another format', content: '{"format":2}' },
    { title: 'a list', content: '[]' },
    {
      title: 'runs out of order',
      runs: {
        1: [
          [4, 4, 1],
          [2, 2, 1],
        ],
      },
    },
    {
      title: 'runs that touch',
      runs: {
        1: [
          [2, 2, 1],
          [3, 3, 1],
        ],
      },
    },
    { title: 'a run without its time', runs: { 1: [[2, 2]] } },
    { title: 'no runs', runs: { 1: [] } },
    { title: 'a timeline without number', runs: { one: [[2, 2, 1]] } },
    { title: 'a history of something else', histories: { '00000002.history': [[1]] } },
  ])('$title in its file is like no file', async ({ content, ...parts }) => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:3') });
    await known(catalog.layout);
    const stored = JSON.parse(await readFile(storePath(catalog.layout), 'utf8')) as object; // our own file
    await writeFile(storePath(catalog.layout), content ?? JSON.stringify({ ...stored, ...parts }));
    expect(await known(catalog.layout)).toBe('1:2-3');
    expect(JSON.parse(await readFile(storePath(catalog.layout), 'utf8'))).toEqual(stored);
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

describe('histories', () => {
  const switchesOf = async (layout: ServerLayout) => {
    const { histories } = await readArchivedWal({ layout, segmentSize: defaultSegmentSize, surroundings }, quietContext());
    return [...histories].map(([timeline, left]) => [timeline, left.map(({ timeline: parent }) => parent)]);
  };

  test('are read once, compressed or not', async () => {
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
    await rm(join(catalog.layout.wals, '00000002.history'));
    expect(await switchesOf(catalog.layout)).toEqual(expected);
  });

  test('one that cannot be read is tried again', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '00000002.history') });
    expect(await switchesOf(catalog.layout)).toEqual([]);
    await catalog.write({ 'wals/00000002.history': '1\t0/3000000\tno reason\n' });
    expect(await switchesOf(catalog.layout)).toEqual([[2, [1]]]);
  });
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

describe('the report', () => {
  const backups = [aBackup({ day: 2, begin: '1:2' }), aBackup({ day: 5, begin: '1:8' })];
  const report = async (layout: ServerLayout) =>
    readContinuity({ layout, backups, surroundings, isPassive: false }, quietContext());

  test('a segment in the incoming or the streaming folder is not lost', async () => {
    await using catalog = await aCatalog({
      'wals/main-xlog.db': lines('1:2', '1:3', '1:6', '1:7', '1:8'),
      [`incoming/${walOf('1:4')}`]: 'x',
      [`streaming/${walOf('1:5')}`]: 'x',
      [`streaming/${walOf('1:9.partial')}`]: 'x',
    });
    expect(await report(catalog.layout)).toMatchObject({ holes: [], waitingCount: 2 });
    await rm(join(catalog.layout.streaming, walOf('1:5')));
    const holes = [{ first: walOf('1:5'), last: walOf('1:5'), cutOff: [idOf(2)] }];
    expect(await report(catalog.layout)).toMatchObject({ holes, waitingCount: 1 });
  });

  test('the time of a window that ends with a segment that waits is that of its file', async () => {
    await using catalog = await aCatalog({
      'wals/main-xlog.db': lines('1:2', '1:8', '1:9'),
      [`incoming/${walOf('1:3')}`]: 'x',
    });
    await utimes(join(catalog.layout.incoming, walOf('1:3')), 1_600_000_000, 1_600_000_000);
    const [early] = backups;
    const options = { layout: catalog.layout, backups: [early!], surroundings, isPassive: false };
    const { windows } = (await readContinuity(options, quietContext()))!;
    expect(windows).toMatchObject([{ to: { segment: walOf('1:3'), time: 1_600_000_000 } }]);
  });

  test('WAL behind a backup that is kept standalone was removed on purpose', async () => {
    await using catalog = await aCatalog({
      'wals/main-xlog.db': lines('1:2', '1:8'),
      [`meta/${idOf(2)}-keep`]: 'standalone',
    });
    expect(await report(catalog.layout)).toMatchObject({ holes: [], waitingCount: 0 });
    await writeFile(join(catalog.layout.root, 'meta', `${idOf(2)}-keep`), 'full');
    expect(await report(catalog.layout)).toMatchObject({ holes: [{ cutOff: [idOf(2)] }] });
  });

  test('without a backup there is none, and nothing is written', async () => {
    await using catalog = await aCatalog({ 'wals/main-xlog.db': lines('1:2', '1:4') });
    const options = { layout: catalog.layout, backups: [], surroundings, isPassive: false };
    expect(await readContinuity(options, quietContext())).toBeUndefined();
    await expect(stat(storePath(catalog.layout))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
