import { appendFile, readFile, rename, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { archiveArrivals } from '../../../src/archive/archive-arrivals.ts';
import type { ArrivalOutcome } from '../../../src/archive/take-arrival.ts';
import type { ArrivalChannel } from '../../../src/catalog/server-layout.ts';
import { serverLockPath } from '../../../src/catalog/server-layout.ts';
import type { Context } from '../../../src/shared/context.ts';
import { isLockHeld } from '../../../src/shared/file-lock.ts';
import { lacksPrograms } from '../../helpers/installations.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { aSegment } from '../../helpers/wal-segment.ts';
import { walOf } from '../catalog/a-backup.ts';
import { stoppedClock } from '../check/check-setup.ts';
import { aContext } from '../restore/restore-context.ts';
import { type ArchiveServer, anArchiveServer, writtenAt } from './an-archive.ts';

const folder = '0000000100000000';
const two = walOf('1:2');
const three = walOf('1:3');
const now = '2026-01-02T03:04:05Z';

interface Run {
  readonly channel?: ArrivalChannel;
  readonly batchSize?: number;
  readonly workers?: number;
  readonly patienceMs?: number;
  readonly onOutcome?: () => void;
  readonly context?: Partial<Context>;
}

async function archive(home: ArchiveServer, run: Run = {}) {
  const { channel = 'file', batchSize = 0, workers = 2, patienceMs = 10_000, onOutcome, context = {} } = run;
  const outcomes: ArrivalOutcome[] = [];
  const starts: unknown[] = [];
  const count = await archiveArrivals(
    {
      server: home.server,
      channel,
      batchSize,
      workers,
      patienceMs,
      onOutcome: (outcome) => {
        outcomes.push(outcome);
        onOutcome?.();
      },
      onStart: (start) => void starts.push(start),
    },
    aContext({ clock: stoppedClock(now), ...context }),
  );
  return { count, outcomes, starts };
}

test('a file is renamed into the archive, indexed, and only then gone from where it came', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`incoming/${two}`]: 'segment', 'incoming/00000002.history': '1\t0/3\tx\n' });
  const { count, outcomes } = await archive(home);
  expect(count).toBe(2);
  expect(outcomes).toEqual([
    { kind: 'archived', name: two },
    { kind: 'archived', name: '00000002.history' },
  ]);
  expect(await home.archived()).toEqual([`${folder}/${two}`, '00000002.history'].toSorted());
  expect(await home.entries()).toEqual([
    { name: two, size: 7, time: writtenAt, compression: null, encryption: null },
    { name: '00000002.history', size: 8, time: writtenAt, compression: null, encryption: null },
  ]);
  expect(await home.names('incoming')).toEqual([]);
  expect((await stat(join(home.layout.wals, folder, two))).mtimeMs / 1000).toBe(writtenAt);
  expect(await isLockHeld(serverLockPath(home.layout, 'xlogdb'))).toBe(false);
});

test('more files than workers all arrive', async () => {
  await using home = await anArchiveServer();
  const names = Array.from({ length: 40 }, (_, number) => walOf(`1:${number.toString(16)}`));
  await home.write(Object.fromEntries(names.map((name) => [`incoming/${name}`, name])));
  expect((await archive(home)).count).toBe(40);
  expect((await home.entries()).map(({ name }) => name)).toEqual(names);
});

test('a batch says how many it leaves for later', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`incoming/${two}`]: 'two', [`incoming/${three}`]: 'three', 'incoming/junk': '' });
  expect((await archive(home, { batchSize: 1 })).starts).toEqual([{ fileCount: 2, limitedTo: 1 }]);
  expect((await archive(home, { batchSize: 1 })).starts).toEqual([{ fileCount: 1, limitedTo: undefined }]);
  expect((await home.entries()).map(({ name }) => name)).toEqual([two, three]);
});

test('the streaming folder keeps what is being received', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`streaming/${two}`]: 'two', [`streaming/${three}.partial`]: 'thr' });
  await archive(home, { channel: 'streaming' });
  expect(await home.names('streaming')).toEqual([`${three}.partial`]);
  expect(await home.archived()).toEqual([`${folder}/${two}`]);
});

test('a folder that does not exist yet holds nothing', async () => {
  await using home = await anArchiveServer();
  await rename(home.layout.incoming, `${home.layout.incoming}-away`);
  expect((await archive(home)).count).toBe(0);
});

test.skipIf(lacksPrograms('pigz', 'bzip2', 'xz', 'zstd', 'lz4')).each([
  ['gzip', 'gzip'],
  ['pigz', 'gzip'],
  ['pygzip', 'gzip'],
  ['bzip2', 'bzip2'],
  ['pybzip2', 'bzip2'],
  ['xz', 'xz'],
  ['zstd', 'zstd'],
  ['lz4', 'lz4'],
  ['snappy', 'snappy'],
])('compression = %s stores %s, with mode and time of the source', async (compression, found) => {
  await using home = await anArchiveServer(`compression = ${compression}`);
  const content = 'segment '.repeat(10_000);
  await home.write({ [`incoming/${two}`]: content });
  await archive(home);
  const [entry] = await home.entries();
  const { size, mtimeMs } = await stat(join(home.layout.wals, folder, two));
  expect(entry).toMatchObject({ name: two, compression: found, size, time: writtenAt });
  expect(mtimeMs / 1000).toBe(writtenAt);
  expect(size).toBeLessThan(content.length);
});

test('a compressed arrival is stored as it is', async () => {
  await using home = await anArchiveServer('compression = zstd');
  const gzipped = gzipSync(aSegment(2));
  await home.write({ [`incoming/${two}`]: gzipped });
  await archive(home);
  expect(await home.read(`wals/${folder}/${two}`)).toEqual(gzipped);
  expect(await home.entries()).toMatchObject([{ compression: 'gzip', size: gzipped.length }]);
});

test.each([
  { lines: 'compression = custom', says: 'custom_compression_filter' },
  { lines: 'encryption = gpg', says: 'encryption_key_id' },
])('without all settings for $lines WAL stays where it is', async ({ lines, says }) => {
  await using home = await anArchiveServer(lines);
  await home.write({ [`incoming/${two}`]: 'segment' });
  await expect(archive(home)).rejects.toMatchObject({
    code: 'configuration-invalid',
    message: expect.stringContaining(says) as string,
  });
  expect(await home.names('incoming')).toEqual([two]);
  expect(await home.archived()).toEqual([]);
});

const filters = `compression = custom
custom_compression_filter = { printf MINE; gzip -c; }
custom_decompression_filter = { head -c 4 >/dev/null; gzip -dc; }`;

test('a custom filter compresses, with and without a magic of its own', async () => {
  for (const magic of ['', 'custom_compression_magic = 0x4d494e45']) {
    await using home = await anArchiveServer(`${filters}\n${magic}`);
    await home.write({ [`incoming/${two}`]: 'segment' });
    await archive(home);
    expect((await home.read(`wals/${folder}/${two}`)).subarray(0, 4).toString()).toBe('MINE');
    expect(await home.entries()).toMatchObject([{ compression: 'custom' }]);
  }
});

test('a file that cannot be prepared stays and is told at the end; all others are archived in their order', async () => {
  await using home = await anArchiveServer('compression = gzip');
  const names = Array.from({ length: 20 }, (_, number) => walOf(`1:${(number + 1).toString(16)}`));
  const [broken = two] = names.slice(2);
  await home.write(Object.fromEntries(names.map((name) => [`incoming/${name}`, name])));
  await home.write({ [`wals/${folder}/${broken}.compressed/in-the-way`]: '' });
  const failure = await archive(home, { workers: 3 }).catch((error: unknown) => error);
  expect(failure).toMatchObject({ message: expect.stringContaining(broken) as string });
  const others = names.filter((name) => name !== broken);
  expect((await home.entries()).map(({ name }) => name)).toEqual(others);
  expect(await home.names('incoming')).toEqual([broken]);
});

describe('a segment that an archive_command like cp writes under its final name', () => {
  const [segment, next] = [aSegment(2), aSegment(3)];
  const ago = (seconds: number): Date => new Date(Date.parse(now) - seconds * 1000);

  test.each([0, 40, 524_288])('stays as long as only %i of its bytes are there, and is archived whole', async (bytes) => {
    await using home = await anArchiveServer('compression = gzip');
    await home.write({ [`incoming/${two}`]: segment.subarray(0, bytes), [`incoming/${three}`]: next });
    const path = join(home.layout.incoming, two);
    await utimes(path, ago(5), ago(5));
    const { outcomes, starts } = await archive(home, { batchSize: 1 });
    expect(outcomes).toEqual([{ kind: 'archived', name: three }]);
    expect(starts).toEqual([{ fileCount: 1, limitedTo: undefined }]);
    expect(await home.names('incoming')).toEqual([two]);
    await appendFile(path, segment.subarray(bytes));
    await archive(home);
    expect(await home.names('incoming')).toEqual([]);
    expect(gunzipSync(await home.read(`wals/${folder}/${two}`)).equals(segment)).toBe(true);
  });

  test.each([
    ['a history', '00000002.history', 0],
    ['a label', `${two}.00000028.backup`, 0],
    ['a partial segment', `${two}.partial`, 524_288],
  ])('or %s stays as long as it has no content, or less than its first page tells', async (_, name, bytes) => {
    await using home = await anArchiveServer();
    await home.write({ [`incoming/${name}`]: segment.subarray(0, bytes) });
    await utimes(join(home.layout.incoming, name), ago(5), ago(5));
    expect((await archive(home)).outcomes).toEqual([]);
    await home.write({ [`incoming/${name}`]: segment });
    expect((await archive(home)).outcomes).toEqual([{ kind: 'archived', name }]);
  });

  test('is told when nobody adds to it any more, and holds up none of the others', async () => {
    await using home = await anArchiveServer();
    await home.write({ [`incoming/${two}`]: segment.subarray(0, 524_288), [`incoming/${three}`]: next });
    await utimes(join(home.layout.incoming, two), ago(120), ago(120));
    await expect(archive(home)).rejects.toMatchObject({
      code: 'wal-not-archived',
      message: expect.stringContaining(`${two} has 524288 of 1048576 bytes`) as string,
    });
    expect(await home.names('incoming')).toEqual([two]);
    expect(await home.archived()).toEqual([`${folder}/${three}`]);
    await home.write({ [`incoming/${two}`]: segment });
    await archive(home);
    expect((await home.read(`wals/${folder}/${two}`)).equals(segment)).toBe(true);
  });

  test('and that is there already is neither taken for another one nor dropped while it comes once more', async () => {
    await using home = await anArchiveServer('compression = gzip');
    await home.write({ [`incoming/${two}`]: segment });
    await archive(home);
    await home.write({ [`incoming/${two}`]: segment.subarray(0, 8192) });
    await utimes(join(home.layout.incoming, two), ago(5), ago(5));
    expect((await archive(home)).outcomes).toEqual([]);
    expect(await home.names('incoming')).toEqual([two]);
  });

  test('and that changes while it is compressed stays, and nothing of it is kept', async () => {
    const filter = 'custom_compression_filter = { cat; echo more >> FOLDER/grows; }';
    await using home = await anArchiveServer(`compression = custom\n${filter}`);
    await home.write({ [`incoming/${two}`]: 'not a page', [`incoming/${three}`]: next });
    await symlink(join(home.layout.incoming, two), join(home.folder, 'grows'));
    await expect(archive(home, { workers: 1 })).rejects.toMatchObject({
      message: expect.stringContaining(`${two} changed while it was archived`) as string,
    });
    expect(await home.names('incoming')).toEqual([two]);
    expect(await home.archived()).toEqual([`${folder}/${three}`]);
  });
});

test('a program that is missing is named, and what comes compressed is archived', async () => {
  await using home = await anArchiveServer('compression = pigz');
  await home.write({ [`incoming/${two}`]: 'segment', [`incoming/${three}`]: gzipSync(aSegment(3)) });
  const server = { ...home.server, programPath: home.folder };
  await expect(archive({ ...home, server })).rejects.toMatchObject({
    code: 'program-missing',
    message: expect.stringContaining('pigz') as string,
  });
  expect(await home.names('incoming')).toEqual([two]);
  expect((await home.entries()).map(({ name }) => name)).toEqual([three]);
});

test('a file that is slow to compress holds up the names behind it, and only in the index', async () => {
  const slowFirst = `compression = custom\ncustom_compression_filter = { line=$(cat); [ "$line" = slow ] && sleep 0.3; echo $line >> FOLDER/order; echo $line; }`;
  await using home = await anArchiveServer(slowFirst);
  await home.write({
    [`incoming/${two}`]: 'slow\n',
    [`incoming/${three}`]: 'quick\n',
    [`incoming/${walOf('1:4')}`]: 'quick\n',
  });
  await archive(home);
  expect(await readFile(join(home.folder, 'order'), 'utf8')).toBe('quick\nquick\nslow\n');
  expect((await home.entries()).map(({ name }) => name)).toEqual([two, three, walOf('1:4')]);
});

test('files that are slow lose their turn after a while: those behind them are archived, and they follow', async () => {
  const patient = `{ line=$(cat); case $line in slow*) until [ -e FOLDER/go ]; do sleep 0.02; done;; esac; echo $line; }`;
  await using home = await anArchiveServer(`compression = custom\ncustom_compression_filter = ${patient}`);
  const names = Array.from({ length: 40 }, (_, number) => walOf(`1:${(number + 1).toString(16)}`));
  const isSlow = (name: string): boolean => name === names[0] || name === names[3];
  await home.write(Object.fromEntries(names.map((name) => [`incoming/${name}`, isSlow(name) ? 'slow' : 'quick'])));
  const archiving = archive(home, { workers: 2, patienceMs: 100 });
  const slow = names.filter(isSlow);
  const quick = names.filter((name) => !isSlow(name));
  await waitFor('all others are archived', async () => (await home.names('incoming')).join() === slow.join());
  expect((await home.entries()).map(({ name }) => name).toSorted()).toEqual(quick);
  await writeFile(join(home.folder, 'go'), '');
  const { count, outcomes } = await archiving;
  expect({ count, archived: outcomes.length }).toEqual({ count: 40, archived: 40 });
  expect((await home.entries()).map(({ name }) => name).toSorted()).toEqual(names);
  expect(await home.names('incoming')).toEqual([]);
});

test('a wish to stop is heard between files, and what was ready by then is archived', async () => {
  const stopping = new AbortController();
  await using home = await anArchiveServer();
  const names = Array.from({ length: 40 }, (_, number) => walOf(`1:${(number + 1).toString(16)}`));
  await home.write(Object.fromEntries(names.map((name) => [`incoming/${name}`, name])));
  const onOutcome = (): void => stopping.abort();
  await expect(archive(home, { onOutcome, context: { signal: stopping.signal } })).rejects.toThrow();
  const archived = (await home.entries()).map(({ name }) => name);
  expect(archived).toEqual(names.slice(0, archived.length));
  expect(await home.names('incoming')).toEqual(names.slice(archived.length));
  expect((await home.names(`wals/${folder}`)).filter((name) => name.length !== 24)).toEqual([]);
  expect(archived.length).toBeLessThan(40);
});

test('the same file once more is dropped, however either is compressed', async () => {
  await using home = await anArchiveServer('compression = gzip');
  await home.write({ [`incoming/${two}`]: 'segment' });
  await archive(home);
  for (const content of ['segment', gzipSync('segment', { level: 1 })]) {
    await home.write({ [`incoming/${two}`]: content });
    expect((await archive(home)).outcomes).toEqual([{ kind: 'known-already', name: two }]);
  }
  expect(gunzipSync(await home.read(`wals/${folder}/${two}`)).toString()).toBe('segment');
  expect(await home.entries()).toHaveLength(1);
  expect(await home.names('incoming')).toEqual([]);
});

test('a crash between the rename and the index is made good by the same file', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`wals/${folder}/${two}`]: 'segment', [`incoming/${two}`]: 'segment' });
  expect((await archive(home)).outcomes).toEqual([{ kind: 'known-already', name: two }]);
  expect(await home.entries()).toEqual([{ name: two, size: 7, time: writtenAt, compression: null, encryption: null }]);
});

test('a crash in the middle of a line of the index is made good by the same file', async () => {
  await using home = await anArchiveServer();
  const torn = `${two}\t7\t17`;
  await home.write({ [`wals/${folder}/${two}`]: 'segment', [`incoming/${two}`]: 'segment', 'wals/main-xlog.db': torn });
  await archive(home);
  await home.write({ [`incoming/${three}`]: 'segment' });
  await archive(home);
  expect((await home.entries()).map(({ name, time }) => [name, time])).toEqual([
    [two, writtenAt],
    [three, writtenAt],
  ]);
});

test('a file that a crash left beside the archive is overwritten', async () => {
  await using home = await anArchiveServer('compression = gzip');
  await home.write({ [`wals/${folder}/${two}.compressed`]: 'half', [`incoming/${two}`]: 'segment' });
  await archive(home);
  expect(await home.archived()).toEqual([`${folder}/${two}`]);
});

test('other content under an archived name goes to the errors folder and replaces nothing', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`wals/${folder}/${two}`]: 'first', [`incoming/${two}`]: 'second' });
  const { outcomes } = await archive(home);
  const movedTo = join(home.layout.errors, `${two}.20260102T030405Z.duplicate`);
  expect(outcomes).toEqual([{ kind: 'duplicate', name: two, movedTo }]);
  expect(await readFile(movedTo, 'utf8')).toBe('second');
  expect((await home.read(`wals/${folder}/${two}`)).toString()).toBe('first');
});

test.skipIf(lacksPrograms('zstd')).each([
  { title: 'gzip', damaged: gzipSync('segment').subarray(0, 15) },
  { title: 'zstd', damaged: Buffer.from('28b52ffd', 'hex') },
])('a damaged $title file under an archived name goes to the errors folder and holds up no other', async ({ damaged }) => {
  await using home = await anArchiveServer();
  await home.write({ [`wals/${folder}/${two}`]: 'first', [`incoming/${two}`]: damaged, [`incoming/${three}`]: 'next' });
  expect((await archive(home)).outcomes.map(({ kind }) => kind)).toEqual(['duplicate', 'archived']);
  expect((await home.read(`wals/${folder}/${two}`)).toString()).toBe('first');
});

test('a file that is not WAL goes to the errors folder, a folder too', async () => {
  await using home = await anArchiveServer();
  await home.write({ 'incoming/notes.txt': 'x', 'incoming/folder/file': 'x' });
  const { outcomes, count } = await archive(home);
  expect(count).toBe(2);
  expect(outcomes.map(({ kind, name }) => [kind, name])).toEqual([
    ['unknown', 'folder'],
    ['unknown', 'notes.txt'],
  ]);
  expect(await home.names('errors')).toEqual(['folder.20260102T030405Z.unknown', 'notes.txt.20260102T030405Z.unknown']);
});

test('a wish to stop ends the run before the next files', async () => {
  await using home = await anArchiveServer();
  await home.write({ [`incoming/${two}`]: 'segment' });
  await expect(archive(home, { context: { signal: AbortSignal.abort() } })).rejects.toThrow();
  expect(await home.names('incoming')).toEqual([two]);
});

const hookLog = (phase: string) =>
  `echo ${phase} $BARMAN_HOOK $BARMAN_PHASE $BARMAN_RETRY $BARMAN_SEGMENT $BARMAN_FILE $BARMAN_SIZE $BARMAN_TIMESTAMP $BARMAN_COMPRESSION [$BARMAN_ERROR] >> FOLDER/log`;

async function logOf(home: ArchiveServer): Promise<string[]> {
  const text = await readFile(join(home.folder, 'log'), 'utf8');
  return text.replaceAll(home.layout.root, 'ROOT').trimEnd().split('\n');
}

test('a file that was taken away while others had their hooks holds up none of them', async () => {
  await using home = await anArchiveServer(`pre_archive_script = rm -f $(dirname $BARMAN_FILE)/${three}`);
  await home.write({ [`incoming/${two}`]: 'two', [`incoming/${three}`]: 'three', [`incoming/${walOf('1:4')}`]: 'four' });
  await archive(home);
  expect((await home.entries()).map(({ name }) => name)).toEqual([two, walOf('1:4')]);
});

test('hooks run around each file and are told what it is and what became of it', async () => {
  const lines = [
    `pre_archive_script = ${hookLog('1')}`,
    `pre_archive_retry_script = ${hookLog('2')}`,
    `post_archive_retry_script = ${hookLog('3')}`,
    `post_archive_script = ${hookLog('4')}`,
    'compression = gzip',
  ];
  await using home = await anArchiveServer(lines.join('\n'));
  await home.write({ [`incoming/${two}`]: 'segment' });
  await archive(home);
  const { size } = await stat(join(home.layout.wals, folder, two));
  const before = `${two} ROOT/incoming/${two} 7 ${String(writtenAt)} []`;
  const after = `${two} ROOT/wals/${folder}/${two} ${String(size)} ${String(writtenAt)} gzip []`;
  expect(await logOf(home)).toEqual([
    `1 archive_script pre 0 ${before}`,
    `2 archive_retry_script pre 1 ${before}`,
    `3 archive_retry_script post 1 ${after}`,
    `4 archive_script post 0 ${after}`,
  ]);
});

test('the hook after a duplicate is told so', async () => {
  await using home = await anArchiveServer(`post_archive_retry_script = ${hookLog('after')}`);
  await home.write({ [`wals/${folder}/${two}`]: 'first', [`incoming/${two}`]: 'second' });
  await archive(home);
  expect((await logOf(home)).join()).toContain(`[${two} is already archived with other content]`);
});

test('a hook that ends with 63 stops the run and leaves the files; the hooks after it still run', async () => {
  const lines = [
    `pre_archive_retry_script = case $BARMAN_SEGMENT in *3) exit 63;; esac`,
    'post_archive_script = echo $BARMAN_SEGMENT >> FOLDER/log',
  ];
  await using home = await anArchiveServer(lines.join('\n'));
  await home.write({ [`incoming/${two}`]: 'two', [`incoming/${three}`]: 'three', [`incoming/${walOf('1:4')}`]: 'four' });
  const { count, outcomes } = await archive(home);
  expect(count).toBe(1);
  expect(outcomes).toEqual([{ kind: 'archived', name: two }]);
  expect(await home.names('incoming')).toEqual([three, walOf('1:4')]);
  expect(await logOf(home)).toEqual([two, three]);
});

test('a file that cannot be stored ends the run, after its hooks', async () => {
  await using home = await anArchiveServer('post_archive_script = echo after >> FOLDER/log');
  await home.write({ [`incoming/${two}`]: 'two' });
  await writeFile(join(home.layout.wals, folder), 'a file where the folder should be');
  await expect(archive(home)).rejects.toThrow();
  expect(await logOf(home)).toEqual(['after']);
  expect(await home.names('incoming')).toEqual([two]);
});
