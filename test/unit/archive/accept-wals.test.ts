import { createHash } from 'node:crypto';
import { mkdir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { expect, test } from 'vitest';
import { acceptWals } from '../../../src/archive/accept-wals.ts';
import { lacksPrograms } from '../../helpers/installations.ts';
import { runProgram } from '../../helpers/run-program.ts';
import { aSegment, systemid } from '../../helpers/wal-segment.ts';
import { walTar } from '../../helpers/wal-tar.ts';
import { walOf } from '../catalog/a-backup.ts';
import { aCatalog, type Catalog } from '../catalog/a-catalog.ts';
import { stoppedClock } from '../check/check-setup.ts';
import { aContext } from '../restore/restore-context.ts';

const two = walOf('1:2');
const three = walOf('1:3');
const context = () => aContext({ clock: stoppedClock('2026-01-02T03:04:05Z') });

const digest = (content: string, name = 'sha256') => createHash(name).update(content).digest('hex');

interface Member {
  readonly name: string;
  readonly content?: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link';
  readonly mtime?: Date;
  readonly pax?: Record<string, string>;
}

async function tar(...members: readonly Member[]): Promise<Buffer> {
  const archive = pack();
  for (const { content = '', type = 'file', ...header } of members) {
    archive.entry({ ...header, type, ...(type === 'file' ? {} : { linkname: 'x' }) }, type === 'file' ? content : '');
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer); // no encoding is set
  return Buffer.concat(chunks);
}

/** A file and the list with its checksum, as the archive_command helper sends them. */
async function transfer(content: string, name: string = two): Promise<Buffer> {
  return await tar({ name, content }, { name: 'SHA256SUMS', content: `${digest(content)} *${name}\n` });
}

async function accept(catalog: Catalog, stream: Buffer, use = context()): Promise<readonly string[]> {
  await acceptWals(catalog.layout, Readable.from([stream]), use);
  return use.told;
}

test('a file with its checksum is published with its time', async () => {
  await using catalog = await aCatalog();
  const mtime = new Date(1_770_000_000_000);
  const stream = await tar({ name: two, content: 'wal', mtime }, { name: 'SHA256SUMS', content: `${digest('wal')} *${two}\n` });
  await accept(catalog, stream);
  expect(await catalog.read(`incoming/${two}`)).toBe('wal');
  expect(await catalog.files('incoming')).toEqual([two]);
  expect((await stat(join(catalog.layout.incoming, two))).mtimeMs).toBe(mtime.getTime());
});

test.each(['1e300', '-1', '8589934592'])('a file that was changed at %s is damaged', async (mtime) => {
  await using catalog = await aCatalog();
  const stream = await tar(
    { name: two, content: 'wal', pax: { mtime } },
    { name: 'SHA256SUMS', content: `${digest('wal')} *${two}\n` },
  );
  await expect(accept(catalog, stream)).rejects.toMatchObject({ code: 'wal-stream-invalid' });
  expect(await catalog.files('incoming')).toEqual([]);
});

test.skipIf(lacksPrograms('python3'))('Python writes a stream that is taken, with a time to the microsecond', async () => {
  const script = [
    'import hashlib, io, sys, tarfile',
    'wal = b"x" * 100000',
    'archive = tarfile.open(mode="w|", fileobj=sys.stdout.buffer, format=tarfile.PAX_FORMAT)',
    `info = tarfile.TarInfo("./${two}"); info.size = len(wal); info.mtime = 1770000000.123456`,
    'archive.addfile(info, io.BytesIO(wal))',
    `sums = (hashlib.md5(wal).hexdigest() + "  ./${two}\\n").encode()`,
    'info = tarfile.TarInfo("MD5SUMS"); info.size = len(sums)',
    'archive.addfile(info, io.BytesIO(sums)); archive.close()',
  ];
  const program = await runProgram(['sh', '-c', 'python3 -c "$1" | base64 -w0', 'sh', script.join('\n')], { env: process.env });
  await using catalog = await aCatalog();
  await accept(catalog, Buffer.from(program.stdout, 'base64'));
  const { size, mtimeMs } = await stat(join(catalog.layout.incoming, two));
  expect(size).toBe(100_000);
  expect(mtimeMs).toBeCloseTo(1_770_000_000_123, -1);
});

test('several files come with one list, which may stand anywhere and name them with ./', async () => {
  await using catalog = await aCatalog();
  const sums = `${digest('a').toUpperCase()}  ./${two}\n\n${digest('b')} *${three}\n`;
  await accept(
    catalog,
    await tar({ name: './SHA256SUMS', content: sums }, { name: `./${two}`, content: 'a' }, { name: three, content: 'b' }),
  );
  expect(await catalog.files('incoming')).toEqual([two, three]);
});

test('a malformed line of the list is told and ignored', async () => {
  await using catalog = await aCatalog();
  const sums = `# made by hand\n${digest('a')} *${two}\n`;
  const told = await accept(catalog, await tar({ name: two, content: 'a' }, { name: 'SHA256SUMS', content: sums }));
  expect(told).toEqual(['WARNING: ignoring a malformed line in the checksum list: # made by hand']);
  expect(await catalog.files('incoming')).toEqual([two]);
});

test('the presence of MD5SUMS makes every checksum one of MD5', async () => {
  await using catalog = await aCatalog();
  const members = [
    { name: two, content: 'a' },
    { name: three, content: 'b' },
    { name: 'SHA256SUMS', content: `${digest('a', 'md5')} *${two}\n` },
    { name: 'MD5SUMS', content: `${digest('b', 'md5')} *${three}\n` },
  ];
  await accept(catalog, await tar(...members));
  expect(await catalog.files('incoming')).toEqual([two, three]);
});

test.each<{ title: string; members: Member[]; message: string }>([
  { title: 'without a checksum', members: [{ name: two }], message: `'${two}' came without a checksum` },
  {
    title: 'whose checksum does not match',
    members: [
      { name: two, content: 'a' },
      { name: 'SHA256SUMS', content: `${digest('b')} *${two}` },
    ],
    message: `the checksum of '${two}' does not match: the file was damaged on its way`,
  },
  {
    title: 'that is listed and not there',
    members: [{ name: 'SHA256SUMS', content: `${digest('b')} *${three}` }],
    message: `the checksum list names '${three}', which is not in the tar stream`,
  },
  {
    title: 'that comes twice',
    members: [
      { name: two, content: 'a' },
      { name: two, content: 'a' },
    ],
    message: `the tar stream contains '${two}' twice`,
  },
  {
    title: 'with a folder in its name',
    members: [{ name: `a/${two}` }],
    message: `unsupported file name in the tar stream: "a/${two}"`,
  },
  {
    title: 'that leaves the folder',
    members: [{ name: `../${two}` }],
    message: `unsupported file name in the tar stream: "../${two}"`,
  },
  { title: 'with an absolute name', members: [{ name: `/tmp/${two}` }], message: 'unsupported file name in the tar stream' },
  {
    title: 'with a dot before its name',
    members: [{ name: '.hidden' }],
    message: 'unsupported file name in the tar stream: ".hidden"',
  },
  {
    title: 'that would never be archived',
    members: [{ name: `${two}.tmp` }],
    message: 'unsupported file name in the tar stream',
  },
  {
    title: 'with an endless name',
    members: [{ name: 'x'.repeat(240) }],
    message: 'unsupported file name in the tar stream',
  },
  {
    title: 'that is a folder',
    members: [{ name: 'folder', type: 'directory' }],
    message: "'folder' in the tar stream is not a regular file",
  },
  { title: 'that is a link', members: [{ name: two, type: 'symlink' }], message: 'is not a regular file' },
  { title: 'that is a second name', members: [{ name: two, type: 'link' }], message: 'is not a regular file' },
  {
    title: 'named as a property of every object',
    members: [{ name: 'constructor' }],
    message: "'constructor' came without a checksum",
  },
])('a file $title is refused, and nothing is published', async ({ members, message }) => {
  await using catalog = await aCatalog();
  const stream = await tar({ name: walOf('1:9'), content: 'sound' }, ...members);
  await expect(accept(catalog, stream)).rejects.toMatchObject({ code: 'wal-stream-invalid' });
  await expect(accept(catalog, await tar(...members))).rejects.toThrow(message);
  expect(await catalog.files('incoming')).toEqual([]);
});

test('a checksum list of more than 1 MiB is refused', async () => {
  await using catalog = await aCatalog();
  const stream = await tar({ name: 'SHA256SUMS', content: 'x'.repeat(1024 * 1024 + 1) });
  await expect(accept(catalog, stream)).rejects.toThrow('the checksum list in the tar stream is too long');
});

test('a stream of files or checksums without end is refused', async () => {
  const lines = Array.from({ length: 5001 }, (_, index) => `${digest('')} *${String(index)}\n`);
  const sums = (from: string): Member => ({
    name: 'SHA256SUMS',
    content: lines.map((line) => line.replace('*', `*${from}`)).join(''),
  });
  const files = Array.from({ length: 10_001 }, (): Member => ({ name: 'SHA256SUMS', content: '' }));
  for (const members of [files, [sums('a'), sums('b'), sums('c')]]) {
    await using catalog = await aCatalog();
    await expect(accept(catalog, await tar(...members))).rejects.toThrow('the tar stream has more than 10000 files');
  }
});

test.each([
  { title: 'an empty stream', cut: () => Buffer.alloc(0) },
  { title: 'an archive without members', cut: () => Buffer.alloc(1024) },
  { title: 'no tar at all', cut: () => Buffer.from('x'.repeat(2000)) },
  { title: 'a stream that ends in a header', cut: (whole: Buffer) => whole.subarray(0, 300) },
  { title: 'a stream that ends in a file', cut: (whole: Buffer) => whole.subarray(0, 700) },
  { title: 'a stream that ends before its checksums', cut: (whole: Buffer) => whole.subarray(0, 2048) },
  { title: 'a stream that ends in its checksums', cut: (whole: Buffer) => whole.subarray(0, 2600) },
])('$title is refused, and nothing is published', async ({ cut }) => {
  await using catalog = await aCatalog();
  const whole = await transfer('x'.repeat(1500));
  await expect(accept(catalog, cut(whole))).rejects.toMatchObject({ code: 'wal-stream-invalid' });
  expect(await catalog.files('incoming')).toEqual([]);
});

test('a sender that breaks off is refused', async () => {
  await using catalog = await aCatalog();
  const whole = await transfer('x'.repeat(1500));
  const input = Readable.from(
    (function* () {
      yield whole.subarray(0, 700);
      throw new Error('connection lost');
    })(),
  );
  await expect(acceptWals(catalog.layout, input, context())).rejects.toThrow('connection lost');
  expect(await catalog.files('incoming')).toEqual([]);
});

test('the same file once more is taken silently', async () => {
  await using catalog = await aCatalog({ [`incoming/${two}`]: 'wal' });
  expect(await accept(catalog, await transfer('wal'))).toEqual([]);
  expect(await catalog.files('.')).toEqual([`incoming/${two}`]);
});

test('other content under a waiting name goes to the errors folder, which is told and is no failure', async () => {
  await using catalog = await aCatalog({ [`incoming/${two}`]: 'first' });
  const told = await accept(catalog, await transfer('second'));
  const rejected = `${two}.20260102T030405Z.duplicate`;
  expect(told).toEqual([
    `INFO: \tError: ${two} already waits with other content; the new file was moved to ${join(catalog.layout.errors, rejected)}`,
  ]);
  expect(await catalog.read(`errors/${rejected}`)).toBe('second');
  expect(await catalog.read(`incoming/${two}`)).toBe('first');
});

test('the file of a killed sender is removed, that of a running one stays', async () => {
  await using catalog = await aCatalog({ 'incoming/.999999999-a': '', 'incoming/.1-b': '', 'incoming/.hidden': '' });
  await accept(catalog, await transfer('wal'));
  expect(await catalog.files('incoming')).toEqual(['.1-b', '.hidden', two]);
});

test('names are not looked at: the archiver judges them', async () => {
  await using catalog = await aCatalog();
  await accept(catalog, await transfer('x', 'notes.txt'));
  expect(await catalog.files('incoming')).toEqual(['notes.txt']);
});

test('a link under a waiting name is not followed to be overwritten', async () => {
  await using catalog = await aCatalog({ 'incoming/target': 'precious' });
  await symlink('target', join(catalog.layout.incoming, two));
  await accept(catalog, await transfer('wal'));
  expect(await catalog.read('incoming/target')).toBe('precious');
});

test.each([
  { title: 'a folder', make: async (path: string) => await mkdir(path) },
  { title: 'a dead link', make: async (path: string) => await symlink('nowhere', path) },
])('$title in the place of a file is told', async ({ make }) => {
  await using catalog = await aCatalog();
  await mkdir(catalog.layout.incoming, { recursive: true });
  await make(join(catalog.layout.incoming, two));
  await expect(accept(catalog, await transfer('wal'))).rejects.toThrow('is not a file, and blocks a WAL file of this name');
});

test.each([
  ['a history that unpacks to ten mebibytes', '00000002.history', gzipSync(Buffer.alloc(10 * 1024 ** 2)).toString('latin1')],
  ['a history of two mebibytes', '00000002.history', 'x'.repeat(2 * 1024 ** 2)],
  ['a label of two mebibytes', `${two}.00000028.backup`, 'x'.repeat(2 * 1024 ** 2)],
])('%s is refused, and nothing is published', async (_, name, text) => {
  await using catalog = await aCatalog();
  const content = Buffer.from(text, 'latin1');
  const archive = pack();
  archive.entry({ name }, content);
  archive.entry({ name: 'SHA256SUMS' }, `${createHash('sha256').update(content).digest('hex')} *${name}\n`);
  archive.finalize();
  const surroundings = { path: process.env['PATH'] ?? '', environment: process.env };
  const accepting = acceptWals(catalog.layout, Readable.from(archive), context(), surroundings);
  await expect(accepting).rejects.toMatchObject({
    code: 'wal-stream-invalid',
    message: expect.stringContaining(name) as string,
  });
  expect(await catalog.files('incoming')).toEqual([]);
});

test.each([
  { title: 'of another cluster', content: aSegment(2, { systemid: systemid + 1n }), says: 'belongs to another cluster' },
  { title: 'of another segment than its name says', content: aSegment(3), says: 'belongs to another segment' },
])('WAL $title is refused while PostgreSQL still has it', async ({ content, says }) => {
  await using catalog = await aCatalog();
  const stream = await walTar(new Map([[two, content]]));
  const readCluster = () => Promise.resolve({ systemid: String(systemid), source: 'identity.json' });
  await expect(acceptWals(catalog.layout, Readable.from([stream]), { ...context(), readCluster })).rejects.toMatchObject({
    code: 'wal-foreign',
    message: expect.stringContaining(says) as string,
  });
  expect(await catalog.files('incoming')).toEqual([]);
});
