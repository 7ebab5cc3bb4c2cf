import { execFileSync } from 'node:child_process';
import { chmod, rename, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { archiveArrivals } from '../../../src/archive/archive-arrivals.ts';
import type { ArrivalOutcome } from '../../../src/archive/take-arrival.ts';
import { writeIdentityOnce } from '../../../src/catalog/identity.ts';
import type { ArrivalChannel } from '../../../src/catalog/server-layout.ts';
import { writeSnappyFrames } from '../../../src/compression/snappy-frames.ts';
import { systemClock } from '../../../src/shared/clock.ts';
import { segmentOfRecords } from '../../helpers/wal-records.ts';
import { aSegment, systemid } from '../../helpers/wal-segment.ts';
import { walOf } from '../catalog/a-backup.ts';
import { aContext } from '../restore/restore-context.ts';
import { type ArchiveServer, anArchiveServer } from './an-archive.ts';

const folder = '0000000100000000';
const [two, three, four] = [walOf('1:2'), walOf('1:3'), walOf('1:4')];
const otherCluster = systemid + 1n;
const segment = aSegment(2);

async function archive(
  home: ArchiveServer,
  { channel = 'file', batchSize = 0 }: { channel?: ArrivalChannel; batchSize?: number } = {},
) {
  const outcomes: ArrivalOutcome[] = [];
  const context = aContext({ clock: systemClock });
  const onOutcome = (outcome: ArrivalOutcome): void => void outcomes.push(outcome);
  const failure = await archiveArrivals({ server: home.server, channel, batchSize, workers: 2, onOutcome }, context).then(
    () => undefined,
    (error: unknown) => error,
  );
  return { outcomes, failure, kinds: outcomes.map(({ kind }) => kind) };
}

/** As a program writes it that is still at work: the time of its last byte is the time of its last change. */
async function writeNow(home: ArchiveServer, content: Uint8Array): Promise<void> {
  await writeFile(join(home.layout.incoming, two), content);
}

describe('WAL of another cluster', () => {
  test.each<{ title: string; pack: (content: Buffer) => Buffer }>([
    { title: 'plain', pack: (content) => content },
    { title: 'gzip', pack: (content) => gzipSync(content) },
    { title: 'zstd', pack: (content) => execFileSync('zstd', ['-qc'], { input: content, maxBuffer: 1 << 22 }) },
  ])('$title is kept out, told, and the rest is archived', async ({ pack }) => {
    await using home = await anArchiveServer();
    await writeIdentityOnce(home.layout, { systemid: String(systemid), version: '18' });
    await home.write({
      [`incoming/${two}`]: pack(aSegment(2, { systemid: otherCluster })),
      [`incoming/${three}`]: aSegment(3),
    });
    const { failure, kinds } = await archive(home);
    expect(kinds.toSorted()).toEqual(['archived', 'foreign']);
    expect(failure).toMatchObject({ code: 'wal-foreign', message: expect.stringContaining(String(otherCluster)) as string });
    expect(await home.archived()).toEqual([`${folder}/${three}`]);
    expect((await home.names('errors')).join()).toMatch(new RegExp(`^${two}\\.\\d{8}T\\d{6}Z\\.foreign$`));
  });

  test.each(['wals', 'streaming'] as const)(
    'is told by what is archived, where nothing else says which cluster it is (%s)',
    async (where) => {
      await using home = await anArchiveServer();
      const channel = where === 'streaming' ? 'streaming' : 'file';
      await home.write({ [`wals/${folder}/${two}`]: gzipSync(segment) });
      const arrives = channel === 'file' ? 'incoming' : 'streaming';
      await home.write({ [`${arrives}/${two}`]: aSegment(2, { systemid: otherCluster }), [`${arrives}/${four}`]: aSegment(4) });
      expect((await archive(home, { channel })).kinds).toContain('foreign');
      expect(gunzipSync(await home.read(`wals/${folder}/${two}`)).equals(segment)).toBe(true);
    },
  );

  test('and WAL of another place are kept out in the same way', async () => {
    await using home = await anArchiveServer();
    await home.write({ [`incoming/${three}`]: segment, [`incoming/${two}.partial`]: aSegment(2, { timeline: 2 }) });
    const { kinds, failure } = await archive(home);
    expect(kinds).toEqual(['misnamed', 'misnamed']);
    expect(failure).toMatchObject({ code: 'wal-foreign' });
    expect(await home.archived()).toEqual([]);
    expect((await home.names('errors')).filter((name) => name.endsWith('.misnamed'))).toHaveLength(2);
  });
});

const custom = `compression = custom
custom_compression_filter = { printf MINE; gzip -c; }
custom_decompression_filter = { head -c 4 >/dev/null; gzip -dc; }
custom_compression_magic = 0x4d494e45`;

const snappyOfSegment = await buffer(writeSnappyFrames(Readable.from([segment])));

const programs: Readonly<Record<string, (content: Buffer) => Buffer>> = {
  gzip: (content) => gzipSync(content),
  bzip2: (content) => execFileSync('bzip2', ['-c'], { input: content, maxBuffer: 1 << 22 }),
  xz: (content) => execFileSync('xz', ['-0c'], { input: content, maxBuffer: 1 << 22 }),
  zstd: (content) => execFileSync('zstd', ['-qc'], { input: content, maxBuffer: 1 << 22 }),
  lz4: (content) => execFileSync('lz4', ['-qc'], { input: content, maxBuffer: 1 << 22 }),
  snappy: () => snappyOfSegment,
  custom: (content) => Buffer.concat([Buffer.from('MINE'), gzipSync(content)]),
};

describe('a segment that comes compressed', () => {
  test.each(Object.keys(programs))('with %s and cut off is held back until the whole one comes', async (name) => {
    await using home = await anArchiveServer(name === 'custom' ? custom : '');
    const packed = programs[name]?.(segment) ?? Buffer.alloc(0);
    await home.write({ [`incoming/${two}`]: packed.subarray(0, packed.length / 2), [`incoming/${three}`]: aSegment(3) });
    const { kinds, failure } = await archive(home);
    expect(kinds).toEqual(['archived']);
    expect(failure).toMatchObject({ message: expect.stringContaining(two) as string });
    expect(await home.names('incoming')).toEqual([two]);
    await home.write({ [`incoming/${two}`]: packed });
    expect((await archive(home)).kinds).toEqual(['archived']);
    expect(await home.names('incoming')).toEqual([]);
    expect(await home.entries()).toMatchObject([{ name: two, compression: name }, { name: three }]);
  });

  test('is held back without a word while it may still be written', async () => {
    await using home = await anArchiveServer();
    await writeNow(home, gzipSync(segment).subarray(0, 4000));
    expect(await archive(home)).toMatchObject({ failure: undefined, outcomes: [] });
    await writeNow(home, gzipSync(segment));
    expect((await archive(home)).kinds).toEqual(['archived']);
  });

  test.each([
    { title: 'a part of a segment', content: gzipSync(segment.subarray(0, 300_000)) },
    { title: 'more than a segment', content: gzipSync(Buffer.concat([segment, segment])) },
    { title: 'no WAL', content: gzipSync('something else') },
    { title: 'nothing', content: gzipSync('') },
  ])('and holds $title is held back, although it can be decompressed', async ({ content }) => {
    await using home = await anArchiveServer();
    await home.write({ [`incoming/${two}`]: content });
    expect((await archive(home)).failure).toMatchObject({ code: 'wal-not-archived' });
    expect(await home.names('incoming')).toEqual([two]);
  });

  test('with a program that this host does not have is held back and told with the program', async () => {
    await using home = await anArchiveServer();
    await home.write({ [`incoming/${two}`]: programs['xz']?.(segment) ?? '' });
    const server = { ...home.server, programPath: home.folder };
    const { failure } = await archive({ ...home, server });
    expect(failure).toMatchObject({ code: 'program-missing', message: expect.stringContaining('xz') as string });
    expect(await home.names('incoming')).toEqual([two]);
  });

  test('is told when it is a history that unpacks to more than any', async () => {
    await using home = await anArchiveServer();
    await home.write({ 'incoming/00000002.history': gzipSync(Buffer.alloc(8 << 20)) });
    expect((await archive(home)).failure).toMatchObject({
      message: expect.stringContaining('decompresses to more than') as string,
    });
  });
});

test.each<{ title: string; stored: Buffer }>([
  { title: 'a compressed piece', stored: gzipSync(segment).subarray(0, 4000) },
  { title: 'a plain piece', stored: segment.subarray(0, 8192) },
  { title: 'an empty file', stored: Buffer.alloc(0) },
])('$title in the archive gives way to a whole segment', async ({ stored }) => {
  await using home = await anArchiveServer('compression = gzip');
  await home.write({ [`wals/${folder}/${two}`]: stored, [`incoming/${two}`]: segment });
  expect(await archive(home)).toMatchObject({ failure: undefined, outcomes: [{ kind: 'archived', name: two }] });
  expect(gunzipSync(await home.read(`wals/${folder}/${two}`)).equals(segment)).toBe(true);
  expect(await home.entries()).toMatchObject([{ name: two, compression: 'gzip' }]);
  expect(await home.names('incoming')).toEqual([]);
});

test('a file that only this host cannot read is not replaced', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`wals/${folder}/${two}`]: programs['bzip2']?.(segment) ?? '', [`incoming/${two}`]: segment });
  const server = { ...home.server, programPath: home.folder };
  expect((await archive({ ...home, server })).failure).toMatchObject({ code: 'program-missing' });
  expect(await home.names('incoming')).toEqual([two]);
});

describe('files with unknown content', () => {
  const sealed = Buffer.concat([Buffer.from('Salted__'), segment.subarray(100_000)]);

  test('waits while somebody may still be writing it, and is archived when it has stood still', async () => {
    await using home = await anArchiveServer('compression = gzip');
    await writeNow(home, sealed.subarray(0, 500_000));
    expect(await archive(home)).toMatchObject({ failure: undefined, outcomes: [] });
    await home.write({ [`incoming/${two}`]: sealed });
    expect((await archive(home)).kinds).toEqual(['archived']);
    expect(gunzipSync(await home.read(`wals/${folder}/${two}`)).equals(sealed)).toBe(true);
  });

  test('is archived immediately when it was renamed after it was written', async () => {
    await using home = await anArchiveServer();
    const temporary = join(home.layout.incoming, `${two}.tmp`);
    await writeFile(temporary, sealed);
    await new Promise((resolve) => setTimeout(resolve, 20)); // a tick of the file system's clock
    await rename(temporary, join(home.layout.incoming, two));
    expect((await archive(home)).kinds).toEqual(['archived']);
  });
});

test.each([1, 2])('files that cannot be archived use up no places of a batch of %i', async (batchSize) => {
  await using home = await anArchiveServer();
  await home.write({
    [`incoming/${two}`]: gzipSync(segment).subarray(0, 4000),
    [`incoming/${three}`]: gzipSync(aSegment(3)).subarray(0, 4000),
    [`incoming/${four}`]: aSegment(4),
  });
  expect((await archive(home, { batchSize })).kinds).toEqual(['archived']);
  expect(await home.archived()).toEqual([`${folder}/${four}`]);
});

test('a name that is no text, a very long one, one with a line break and pipes hold up none of the others', async () => {
  await using home = await anArchiveServer();
  const odd = Buffer.concat([Buffer.from(`${home.layout.incoming}/`), Buffer.from([0xff, 0xfe])]);
  await writeFile(odd, 'x');
  await home.write({ [`incoming/${'é'.repeat(125)}`]: 'x', 'incoming/a\nb': 'x', [`incoming/${two}`]: segment });
  execFileSync('mkfifo', [join(home.layout.incoming, 'pipe'), join(home.layout.incoming, three)]);
  const { failure, kinds } = await archive(home);
  expect(failure).toBeUndefined();
  expect(kinds.toSorted()).toEqual(['archived', ...Array.from({ length: 5 }, () => 'unknown')]);
  expect(await home.archived()).toEqual([`${folder}/${two}`]);
  const moved = await home.names('errors');
  expect(moved.every((name) => name.endsWith('.unknown') && Buffer.byteLength(name) <= 255)).toBe(true);
  expect(moved).toHaveLength(5);
  expect(await home.names('incoming')).toEqual([]);
});

test('a file that became unreadable is told, and holds up none of the others', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`incoming/${two}`]: segment, [`incoming/${three}`]: aSegment(3) });
  await chmod(join(home.layout.incoming, two), 0);
  await utimes(join(home.layout.incoming, two), 1, 1);
  const { kinds } = await archive(home);
  expect(kinds).toContain('archived'); // both for root, who may read everything
});

describe('two copies of a partial segment', () => {
  const partial = `${two}.partial`;
  const short = segmentOfRecords([100, 200]);
  const long = segmentOfRecords([100, 200, 20_000]);
  const garbled = Buffer.from(short);
  garbled.fill('left over from an earlier use', 400);
  const other = segmentOfRecords([100, 210]);

  test.each([
    {
      title: 'that differ behind their last record are the same',
      stored: short,
      arrives: garbled,
      kind: 'known-already',
      left: short,
    },
    { title: 'of which the second has less are the same', stored: long, arrives: short, kind: 'known-already', left: long },
    {
      title: 'of which the second has more: it takes the place',
      stored: gzipSync(garbled),
      arrives: long,
      kind: 'archived',
      left: long,
    },
    { title: 'that fork are two', stored: short, arrives: other, kind: 'duplicate', left: short },
  ])('$title', async ({ stored, arrives, kind, left }) => {
    await using home = await anArchiveServer();
    await home.write({ [`wals/${folder}/${partial}`]: stored, [`incoming/${partial}`]: arrives });
    expect(await archive(home)).toMatchObject({ failure: undefined, kinds: [kind] });
    expect((await home.read(`wals/${folder}/${partial}`)).equals(left)).toBe(true);
    expect(await home.names('incoming')).toEqual([]);
    expect(await home.names('.').then((names) => names.includes('errors'))).toBe(kind === 'duplicate');
    expect(await home.entries()).toMatchObject(kind === 'duplicate' ? [] : [{ name: partial }]);
  });
});

test.each([
  { title: 'a history', name: '00000002.history', bytes: (1 << 20) + 1 },
  { title: 'a segment', name: two, bytes: 2 ** 31 },
])('$title that is larger than PostgreSQL makes one is not archived', async ({ name, bytes }) => {
  await using home = await anArchiveServer();
  await home.write({ [`incoming/${name}`]: '-----BEGIN PGP MESSAGE-----' });
  const path = join(home.layout.incoming, name);
  await truncate(path, bytes);
  await utimes(path, 1, 1);
  expect((await archive(home)).failure).toMatchObject({
    message: expect.stringContaining('more than any such file of PostgreSQL') as string,
  });
  expect(await home.archived()).toEqual([]);
});
