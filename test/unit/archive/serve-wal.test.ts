import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { findWal } from '../../../src/archive/find-wal.ts';
import { serveWal, toldAsUnreadable, type WalForm } from '../../../src/archive/serve-wal.ts';
import { silentLog } from '../../../src/shared/log.ts';
import { lacksPrograms } from '../../helpers/installations.ts';
import { runProgram } from '../../helpers/run-program.ts';
import { aSegment } from '../../helpers/wal-segment.ts';
import { walOf } from '../catalog/a-backup.ts';
import { type ArchiveServer, anArchiveServer } from './an-archive.ts';

const two = walOf('1:2');
const archived = `wals/0000000100000000/${two}`;
const gzipped = gzipSync('segment', { level: 1 });

interface Asked {
  readonly form?: WalForm;
  readonly allowsPartial?: boolean;
}

async function serve(home: ArchiveServer, { form = 'plain', allowsPartial = false }: Asked = {}) {
  const output = new PassThrough();
  const chunks = output.toArray();
  let opened = 0;
  const path = await serveWal(
    {
      server: home.server,
      name: two,
      allowsPartial,
      form,
      output: () => {
        opened++;
        return Promise.resolve(output);
      },
    },
    silentLog,
  ).catch((error: unknown) => {
    expect(opened).toBe(0);
    output.end();
    throw error;
  });
  expect(output.writableEnded).toBe(false);
  output.end();
  return { path: path.slice(home.layout.root.length + 1), content: Buffer.concat((await chunks) as Buffer[]) }; // no encoding is set
}

test.each<{
  title: string;
  files: Record<string, string | Uint8Array>;
  asked?: Asked;
  path: string;
  content: string | Uint8Array;
}>([
  { title: 'a plain segment goes out as it is', files: { [archived]: 'segment' }, path: archived, content: 'segment' },
  { title: 'a compressed one goes out plain', files: { [archived]: gzipped }, path: archived, content: 'segment' },
  { title: 'or as it is stored', files: { [archived]: gzipped }, asked: { form: 'stored' }, path: archived, content: gzipped },
  {
    title: 'asked for in the compression that it has, it goes out untouched',
    files: { [archived]: gzipped },
    asked: { form: 'gzip' },
    path: archived,
    content: gzipped,
  },
  {
    title: 'the archive comes before incoming and streaming',
    files: { [archived]: 'a', [`incoming/${two}`]: 'i', [`streaming/${two}`]: 's' },
    path: archived,
    content: 'a',
  },
  {
    title: 'incoming comes before streaming',
    files: { [`incoming/${two}`]: 'i', [`streaming/${two}`]: 's' },
    path: `incoming/${two}`,
    content: 'i',
  },
  {
    title: 'a partial segment goes out when it was asked for',
    files: { [`streaming/${two}.partial`]: 'piece' },
    asked: { allowsPartial: true },
    path: `streaming/${two}.partial`,
    content: 'piece',
  },
  {
    title: 'a whole segment comes before a partial one',
    files: { [`streaming/${two}.partial`]: 'piece', [`streaming/${two}`]: 'whole' },
    asked: { allowsPartial: true },
    path: `streaming/${two}`,
    content: 'whole',
  },
  {
    title: 'a partial segment that is stored compressed goes out plain',
    files: { [`${archived}.partial`]: gzipped },
    asked: { allowsPartial: true },
    path: `${archived}.partial`,
    content: 'segment',
  },
  {
    title: 'a partial segment is not compressed for the way',
    files: { [`streaming/${two}.partial`]: 'piece' },
    asked: { allowsPartial: true, form: 'gzip' },
    path: `streaming/${two}.partial`,
    content: 'piece',
  },
  {
    title: 'a segment that is still being copied is passed over',
    files: { [`incoming/${two}`]: aSegment(2).subarray(0, 8192), [`streaming/${two}`]: 's' },
    path: `streaming/${two}`,
    content: 's',
  },
])('$title', async ({ files, asked, path, content }) => {
  await using home = await anArchiveServer();
  await home.write(files);
  expect(await serve(home, asked)).toEqual({ path, content: Buffer.from(content as Uint8Array) }); // text and bytes both are taken
});

test.skipIf(lacksPrograms('bzip2'))('a segment goes out in another compression than its own', async () => {
  await using home = await anArchiveServer();
  await home.write({ [archived]: 'segment' });
  expect(gunzipSync((await serve(home, { form: 'gzip' })).content).toString()).toBe('segment');
  await home.write({ [archived]: gzipped });
  const { content } = await serve(home, { form: 'bzip2' });
  const opened = await runProgram(['bzip2', '-dc'], { input: content, env: process.env });
  expect(opened.stdout).toBe('segment');
});

test.each([
  { title: 'a missing file is not found, and no output is opened', files: {} },
  { title: 'a partial segment is not found unless it was asked for', files: { [`streaming/${two}.partial`]: 'piece' } },
  { title: 'a segment that is still being copied is not found', files: { [`incoming/${two}`]: aSegment(2).subarray(0, 8192) } },
])('$title', async ({ files }) => {
  await using home = await anArchiveServer();
  await home.write(files);
  await expect(serve(home)).rejects.toMatchObject({
    code: 'wal-not-found',
    message: `WAL file '${two}' not found in server 'main'`,
  });
});

test('a damaged segment is a failure, not a short one', async () => {
  await using home = await anArchiveServer();
  await home.write({ [archived]: gzipSync('segment'.repeat(1000)).subarray(0, 30) });
  const output = new PassThrough();
  output.resume();
  const asked = {
    server: home.server,
    name: two,
    allowsPartial: false,
    form: 'plain' as const,
    output: () => Promise.resolve(output),
  };
  await expect(serveWal(asked, silentLog)).rejects.toThrow();
});

const customLines = `compression = custom
custom_compression_filter = rev
custom_decompression_filter = rev`;

test('without a magic, what nothing identifies is custom in the archive and plain elsewhere', async () => {
  await using home = await anArchiveServer(customLines);
  await home.write({ [archived]: 'tnemges\n' });
  expect((await serve(home)).content.toString()).toBe('segment\n');
  await using other = await anArchiveServer(customLines);
  await other.write({ [`incoming/${two}`]: 'plain\n' });
  expect((await serve(other)).content.toString()).toBe('plain\n');
});

test('with a magic, a page of WAL without it is plain', async () => {
  await using home = await anArchiveServer(`${customLines}\ncustom_compression_magic = 0x4d494e45`);
  const segment = aSegment(2);
  await home.write({ [archived]: segment });
  expect((await serve(home)).content.equals(segment)).toBe(true);
});

const magicLines = `compression = custom
custom_compression_filter = { printf MINE; gzip -c; }
custom_decompression_filter = { head -c 4 >/dev/null; gzip -dc; }`;

const segmentTwo = aSegment(2);
const unreadable = { code: 'wal-unreadable', exitCode: 200 };

test.each<{ title: string; lines?: string; files: Record<string, string | Uint8Array>; says: string }>([
  { title: 'an empty file', files: { [archived]: '' }, says: 'it is empty' },
  { title: 'zeros', files: { [archived]: Buffer.alloc(8192) }, says: 'begins with zeros' },
  { title: 'a part of a segment', files: { [archived]: segmentTwo.subarray(0, 8192) }, says: '8192 bytes instead of 1048576' },
  { title: 'another segment', files: { [archived]: aSegment(3) }, says: 'belongs to another segment' },
  { title: 'another segment, compressed', files: { [archived]: gzipSync(aSegment(3)) }, says: 'belongs to another segment' },
  {
    title: 'a compression of the server’s own whose mark was changed',
    lines: `${magicLines}\ncustom_compression_magic = 0x4f4c44`,
    files: { [archived]: Buffer.concat([Buffer.from('MINE'), gzipSync(segmentTwo)]) },
    says: 'custom_compression_magic does not match',
  },
])('$title is neither handed out nor called missing', async ({ lines, files, says }) => {
  await using home = await anArchiveServer(lines);
  await home.write(files);
  expect(await serve(home).catch(toldAsUnreadable)).toMatchObject({
    ...unreadable,
    message: expect.stringContaining(says) as string,
  });
});

test('a file compressed with a program that this host lacks is not reported as missing', async () => {
  await using home = await anArchiveServer();
  await home.write({ [archived]: execFileSync('bzip2', ['-c'], { input: segmentTwo, maxBuffer: 1 << 22 }) });
  const server = { ...home.server, programPath: home.folder };
  const failure = await serve({ ...home, server }).catch(toldAsUnreadable);
  expect(failure).toMatchObject({ ...unreadable, message: expect.stringContaining('bzip2') as string });
});

test('a part of a segment is a failure however it is compressed, also for a reader who unpacks it', async () => {
  await using home = await anArchiveServer();
  await home.write({ [archived]: gzipSync(segmentTwo.subarray(0, 500_000)) });
  expect(await serve(home, { form: 'gzip' }).catch(toldAsUnreadable)).toMatchObject(unreadable);
  const output = new PassThrough();
  output.resume();
  const asked = { server: home.server, name: two, allowsPartial: false, output: () => Promise.resolve(output) };
  expect(await serveWal({ ...asked, form: 'plain' }, silentLog).catch(toldAsUnreadable)).toMatchObject(unreadable);
  expect(await serveWal({ ...asked, form: 'bzip2' }, silentLog).catch(toldAsUnreadable)).toMatchObject(unreadable);
});

test('a whole copy that waits in incoming goes out in the place of a stored one that cannot be read', async () => {
  await using home = await anArchiveServer();
  await home.write({ [archived]: segmentTwo.subarray(0, 8192), [`incoming/${two}`]: segmentTwo });
  expect((await serve(home)).path).toBe(`incoming/${two}`);
});

test.each([
  { title: 'a link to another file', make: ['ln', '-s', '/etc/passwd'] },
  { title: 'a named pipe', make: ['mkfifo'] },
  { title: 'a folder', make: ['mkdir'] },
])('$title that lies where WAL arrives is never opened', async ({ make }) => {
  for (const folder of ['incoming', 'streaming']) {
    await using home = await anArchiveServer();
    await home.write({ [`${folder}/x`]: '' });
    await runProgram([...make, join(home.layout.root, folder, two)]);
    await expect(serve(home)).rejects.toMatchObject({ code: 'wal-unreadable' });
    expect(await findWal(home.layout, two, { allowsPartial: true })).toBeUndefined();
  }
});
