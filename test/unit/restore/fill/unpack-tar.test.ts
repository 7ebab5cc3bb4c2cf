// Tar files from outside are hostile: whatever they say, nothing is written outside of the destination, and nothing twice.
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Throttle } from '../../../../src/restore/fill/throttle.ts';
import { unpackTar } from '../../../../src/restore/fill/unpack-tar.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../../helpers/temporary-folder.ts';

interface Member {
  readonly name: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'fifo' | 'character-device';
  readonly linkname?: string;
  readonly content?: string;
  readonly mode?: number;
}

let folder: TemporaryFolder;
const at = (...below: string[]) => join(folder.path, ...below);

beforeEach(async () => {
  folder = await createTemporaryFolder('tar');
});
afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

async function write(members: readonly Member[], { cutAt }: { cutAt?: number } = {}): Promise<string> {
  const archive = pack();
  for (const { name, type = 'file', linkname, content = '', mode = 0o600 } of members) {
    archive.entry(
      { name, type, mode, mtime: new Date(1_700_000_000_000), ...(linkname === undefined ? {} : { linkname }) },
      content,
    );
  }
  archive.finalize();
  const path = at('base.tar.gz');
  await pipeline(archive as unknown as NodeJS.ReadableStream, createGzip(), createWriteStream(path));
  if (cutAt !== undefined) await writeFile(path, (await readFile(path)).subarray(0, cutAt));
  return path;
}

async function unpack(archive: string, { isDataFolder = true, isRepeated = false } = {}): Promise<number> {
  let bytes = 0;
  const { signal } = new AbortController();
  const context = {
    storage: { path: process.env['PATH'] ?? '', environment: process.env, passphrase: undefined },
    throttle: new Throttle(0, { clock: systemClock, signal }),
    signal,
    onBytes: (more: number) => {
      bytes += more;
    },
  };
  const knownOids = new Set(['16400']);
  await unpackTar({ archive, destination: at('data'), isDataFolder, knownOids, isForReading: false, isRepeated }, context);
  return bytes;
}

test('the files that a restore needs have their mode and time; the control file waits under another name', async () => {
  const archive = await write([
    { name: 'backup_label', content: 'label' },
    { name: 'pg_wal', type: 'directory' },
    { name: 'pg_wal/000000010000000000000001', content: 'old' },
    { name: './base/1/1259', content: 'rows', mode: 0o640 },
    { name: 'pg_tblspc', type: 'directory' },
    { name: 'pg_tblspc/16400', type: 'symlink', linkname: '/srv/fast' },
    { name: 'recovery.signal' },
    { name: 'global/pg_control', content: 'control' },
  ]);
  expect(await unpack(archive)).toBe('label'.length + 'rows'.length + 'control'.length);
  expect((await readdir(at('data'), { recursive: true })).toSorted()).toEqual([
    'backup_label',
    'base',
    'base/1',
    'base/1/1259',
    'global',
    'global/pg_control.restoring',
    'pg_tblspc',
    'pg_wal',
  ]);
  const { mode, mtimeMs } = await stat(at('data/base/1/1259'));
  expect([mode & 0o777, mtimeMs]).toEqual([0o640, 1_700_000_000_000]);
});

describe('a member is refused, and nothing is written outside,', () => {
  test.each<[string, Member[], RegExp]>([
    ['that climbs', [{ name: '../outside', content: 'x' }], /'?"\.\.\/outside" would be written outside the destination/],
    ['that climbs in the middle', [{ name: 'base/../../outside', content: 'x' }], /would be written outside the destination/],
    ['that is absolute', [{ name: '/outside', content: 'x' }], /would be written outside the destination/],
    ['that is a link', [{ name: 'base', type: 'symlink', linkname: '..' }], /is a symbolic link/],
    [
      'that links a tablespace nobody knows',
      [{ name: 'pg_tblspc/1', type: 'symlink', linkname: '/srv' }],
      /is a symbolic link/,
    ],
    ['that is a hard link', [{ name: 'x', type: 'link', linkname: '/etc/passwd' }], /is a link, which no backup holds/],
    ['that is a device', [{ name: 'x', type: 'character-device' }], /character-device/],
    ['that is a pipe', [{ name: 'x', type: 'fifo' }], /fifo/],
    ['that has the name of the control file', [{ name: 'global/pg_control.restoring', content: 'x' }], /has a file/],
    [
      'that comes twice',
      [
        { name: 'x', content: '1' },
        { name: 'x', content: '2' },
      ],
      /EEXIST/,
    ],
    [
      'that is a file and then a folder',
      [
        { name: 'x', content: '1' },
        { name: 'x/y', content: '2' },
      ],
      /EEXIST|ENOTDIR/,
    ],
  ])('%s', async (_, members, message) => {
    await mkdir(at('data'));
    await expect(unpack(await write([{ name: 'backup_label', content: 'l' }, ...members]))).rejects.toThrow(message);
    expect((await readdir(folder.path)).toSorted()).toEqual(['base.tar.gz', 'data']);
  });

  test('and a link to a tablespace is no reason in the tar file of another one', async () => {
    const archive = await write([{ name: 'pg_tblspc/16400', type: 'symlink', linkname: '/srv' }]);
    await expect(unpack(archive, { isDataFolder: false })).rejects.toMatchObject({ code: 'backup-not-usable' });
  });

  test('and what is not of the folder of PostgreSQL is refused for a tablespace, which may be meant for any place', async () => {
    const good = await write([{ name: './PG_15_202209061/5/1259', content: 'rows' }]);
    expect(await unpack(good, { isDataFolder: false })).toBe(4);
    for (const name of ['authorized_keys', 'pg_15/x', 'PG_']) {
      const archive = await write([{ name, content: 'x' }]);
      await expect(unpack(archive, { isDataFolder: false })).rejects.toThrow(/is not PostgreSQL's/);
    }
  });
});

test('a tar file that was cut off is told as damaged', async () => {
  const content = Array.from({ length: 20_000 }, () => Math.random().toString(36)).join('');
  await expect(unpack(await write([{ name: 'x', content }], { cutAt: 1000 }))).rejects.toMatchObject({
    code: expect.stringMatching(/backup-not-usable|file-unreadable/) as string,
  });
});

describe('another attempt', () => {
  test('replaces what the one before has left', async () => {
    const archive = await write([{ name: 'base/1/1259', content: 'rows' }]);
    await mkdir(at('data/base/1'), { recursive: true });
    await writeFile(at('data/base/1/1259'), 'half of the r');
    await expect(unpack(archive)).rejects.toMatchObject({ code: 'file-unwritable' });
    await unpack(archive, { isRepeated: true });
    expect(await readFile(at('data/base/1/1259'), 'utf8')).toBe('rows');
  });

  test('still writes no file twice', async () => {
    const archive = await write([
      { name: 'base/1/1259', content: 'rows' },
      { name: 'base/1/1259', content: 'other rows' },
    ]);
    await expect(unpack(archive, { isRepeated: true })).rejects.toMatchObject({ code: 'file-unwritable' });
    expect(await readFile(at('data/base/1/1259'), 'utf8')).toBe('rows');
  });
});
