import { access, chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { strangersOfTablespace } from '../../../../src/restore/content/restored-files.ts';
import { copyControlFile, copyTree } from '../../../../src/restore/fill/copy-tree.ts';
import { systemClock } from '../../../../src/shared/clock.ts';
import { lacksPrograms } from '../../../helpers/installations.ts';
import { runProgram } from '../../../helpers/run-program.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../../../helpers/temporary-folder.ts';
import { aContext } from '../restore-context.ts';

let folder: TemporaryFolder;
let source: string;
let destination: string;
const once = { totalBytes: undefined, jobs: 1, kilobytesPerSecond: 0, retryTimes: 0, retrySleepSeconds: 0 };

beforeEach(async () => {
  folder = await createTemporaryFolder('copy-tree');
  source = join(folder.path, 'data');
  destination = join(folder.path, 'restored');
});

afterEach(async () => {
  await folder[Symbol.asyncDispose]();
});

/** Files by path below the backup's data folder. */
async function write(files: Record<string, string>, root = source): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
}

async function filesBelow(root: string, path = ''): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(root, path), { withFileTypes: true })) {
    const below = path === '' ? entry.name : `${path}/${entry.name}`;
    found.push(...(entry.isDirectory() ? [`${below}/`, ...(await filesBelow(root, below))] : [below]));
  }
  return found.toSorted();
}

async function copy(options: Partial<Parameters<typeof copyTree>[0]> = {}, context = aContext()): Promise<typeof context> {
  await copyTree({ plan: { source, destination, tablespaces: [] }, ...once, ...options }, context);
  return context;
}

test('leaves out what belongs to the server that was backed up, and keeps the control file for last', async () => {
  await write({
    PG_VERSION: '15',
    'global/pg_control': 'control',
    'global/1': 'x',
    'base/1/2': 'y',
    'base/1/log/z': 'deep folders of that name are data',
    'log/today.log': 'x',
    'pg_log/x': 'x',
    'pg_wal/archive_status/x': 'x',
    'postmaster.pid': '1',
    'recovery.conf': 'x',
    tablespace_map: 'x',
    'standby.signal': '',
    'recovery.signal': '',
    '.hidden': 'x',
  });
  await copy();
  const copied = [
    '.hidden',
    'PG_VERSION',
    'base/',
    'base/1/',
    'base/1/2',
    'base/1/log/',
    'base/1/log/z',
    'global/',
    'global/1',
  ];
  expect(await filesBelow(destination)).toEqual([...copied, 'log/', 'pg_log/', 'pg_wal/']);
  await copyControlFile({ source, destination });
  expect(await readFile(join(destination, 'global/pg_control'), 'utf8')).toBe('control');
});

test('keeps modes and times of files and folders', async () => {
  await write({ 'base/1/2': 'x', 'script.sh': 'x' });
  const then = new Date('2020-01-01T00:00:00Z');
  await chmod(join(source, 'script.sh'), 0o640);
  await chmod(join(source, 'base'), 0o750);
  for (const path of ['base/1/2', 'script.sh', 'base/1', 'base', '']) await utimes(join(source, path), then, then);
  await copy();
  expect((await stat(join(destination, 'script.sh'))).mode & 0o777).toBe(0o640);
  expect((await stat(join(destination, 'base'))).mode & 0o777).toBe(0o750);
  for (const path of ['base/1/2', 'script.sh', 'base/1', 'base', '']) {
    expect((await stat(join(destination, path))).mtime).toEqual(then);
  }
});

test.each([
  [0o755, 0o700],
  [0o750, 0o750],
  [0o700, 0o700],
])('a data folder of mode %o becomes one that PostgreSQL starts on', async (mode, expected) => {
  await write({ PG_VERSION: '15' });
  await chmod(source, mode);
  await copy();
  expect((await stat(destination)).mode & 0o777).toBe(expected);
});

test('puts tablespaces into their places and links them', async () => {
  const location = join(folder.path, 'fast');
  await write({ PG_VERSION: '15' });
  await write({ 'PG_15/5/6': 'row' }, join(folder.path, '16400'));
  await mkdir(join(source, 'pg_tblspc'));
  await symlink(join(folder.path, '16400'), join(source, 'pg_tblspc', '16400'));
  const tablespaces = [{ oid: 16400, name: 'fast', source: join(folder.path, '16400'), location }];
  await copy({ plan: { source, destination, tablespaces } });
  expect(await readlink(join(destination, 'pg_tblspc', '16400'))).toBe(location);
  expect(await readFile(join(destination, 'pg_tblspc', '16400', 'PG_15/5/6'), 'utf8')).toBe('row');
});

describe('foreign files in a tablespace stay where they are', () => {
  const strangers = ['lost+found/x', 'README', 'P', 'PG', 'PG_', 'PG_VERSION', 'PHP/x', 'PGx', 'cron.d/x'];
  const tablespace = () => join(folder.path, '16400');
  beforeEach(async () => {
    await write({ PG_VERSION: '15' });
    await write({ 'PG_15_1/5/README': 'row', ...Object.fromEntries(strangers.map((name) => [name, 'x'])) }, tablespace());
  });

  test('in a copy', async () => {
    const location = join(folder.path, 'fast');
    await mkdir(join(source, 'pg_tblspc'));
    const tablespaces = [{ oid: 16400, name: 'fast', source: tablespace(), location }];
    await copy({ plan: { source, destination, tablespaces } });
    expect(await filesBelow(location)).toEqual(['PG_15_1/', 'PG_15_1/5/', 'PG_15_1/5/README']);
  });

  test.skipIf(lacksPrograms('rsync'))('in what rsync sends', async () => {
    const rules = strangersOfTablespace.map((rule) => `--exclude=${rule}`);
    const sent = await runProgram(['rsync', '-a', ...rules, `${tablespace()}/`, `${destination}/`], { env: process.env });
    expect(sent).toMatchObject({ exitCode: 0 });
    expect(await filesBelow(destination)).toEqual(['PG_15_1/', 'PG_15_1/5/', 'PG_15_1/5/README']);
  });
});

test('a tablespace that the record does not know stops the restore: the link would lead into the catalog', async () => {
  await write({ PG_VERSION: '15' });
  await mkdir(join(source, 'pg_tblspc'));
  await symlink(join(folder.path, '16400'), join(source, 'pg_tblspc', '16400'));
  await expect(copy()).rejects.toMatchObject({ code: 'backup-not-usable' });
});

test('links are copied as links and never followed', async () => {
  const outside = join(folder.path, 'outside');
  await mkdir(outside);
  await write({ PG_VERSION: '15' });
  await symlink(outside, join(source, 'linked'));
  await symlink(outside, join(source, 'pg_wal'));
  await copy();
  expect(await readlink(join(destination, 'linked'))).toBe(outside);
  expect((await lstat(join(destination, 'pg_wal'))).isDirectory()).toBe(true);
  expect(await readdir(outside)).toEqual([]);
});

test.each(['global', 'pg_tblspc'])('a link in place of %s is refused: we write there afterwards', async (name) => {
  await write({ PG_VERSION: '15' });
  await symlink(folder.path, join(source, name));
  await expect(copy()).rejects.toMatchObject({ code: 'backup-not-usable' });
});

test('keeps content, mode and times of large files, which are written to the disk while others are copied', async () => {
  const names = ['base/1/1', 'base/1/2', 'base/1/3', 'base/1/4'];
  const time = new Date('2024-05-06T07:08:09Z');
  for (const [index, name] of names.entries()) {
    await write({ [name]: '' });
    await writeFile(join(source, name), Buffer.alloc((8 << 20) + index, index + 1));
    await chmod(join(source, name), 0o400 | index);
    await utimes(join(source, name), time, time);
  }
  await copy();
  for (const [index, name] of names.entries()) {
    const { mode, mtime, size } = await stat(join(destination, name));
    expect({ mode: mode & 0o777, mtime, size }).toEqual({ mode: 0o400 | index, mtime: time, size: (8 << 20) + index });
    await chmod(join(destination, name), 0o600);
    expect((await readFile(join(destination, name))).every((byte) => byte === index + 1)).toBe(true);
  }
});

test('never overwrites a file', async () => {
  await write({ PG_VERSION: '15' });
  await write({ PG_VERSION: 'precious' }, destination);
  await expect(copy()).rejects.toMatchObject({ code: 'file-unwritable', message: expect.stringContaining('EEXIST') as string });
  expect(await readFile(join(destination, 'PG_VERSION'), 'utf8')).toBe('precious');
});

test('tries again as often as asked for, and then takes what the first attempt left', async () => {
  await write({ PG_VERSION: '15', 'base/1/2': 'x' });
  await mkdir(join(folder.path, 'elsewhere'));
  const tablespaces = [{ oid: 5, name: 'late', source: join(folder.path, '5'), location: join(folder.path, 'elsewhere') }];
  await write({ PG_VERSION: 'half' }, destination);
  const clock = {
    ...systemClock,
    sleep: async () => {
      await write({ 'PG_15/1': 'x' }, join(folder.path, '5'));
    },
  };
  const context = await copy({ plan: { source, destination, tablespaces }, retryTimes: 1 }, aContext({ clock }));
  expect(context.told).toEqual([expect.stringMatching(/^WARNING: cannot read .*ENOENT; 0|1 attempts left/)]);
  expect(await readFile(join(destination, 'PG_VERSION'), 'utf8')).toBe('15');
});

test('a bandwidth limit slows down', async () => {
  await write({ a: 'x'.repeat(100_000), b: 'x'.repeat(100_000) });
  const sleeps: number[] = [];
  const clock = { ...systemClock, elapsedMs: () => 0, sleep: (ms: number) => Promise.resolve(void sleeps.push(ms)) };
  const context = await copy({ kilobytesPerSecond: 100 }, aContext({ clock }));
  expect(sleeps.at(-1)).toBeCloseTo(200_000 / 102.4, 0);
  expect(context.advances.at(-1)).toBe(200_000);
});

test('a signal stops it', async () => {
  await write({ PG_VERSION: '15' });
  await expect(copy({}, aContext({ signal: AbortSignal.abort() }))).rejects.toMatchObject({ code: 'interrupted' });
  await expect(access(join(destination, 'PG_VERSION'))).rejects.toThrow('ENOENT');
});
