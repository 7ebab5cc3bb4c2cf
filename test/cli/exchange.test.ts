// Exported and imported backups without PostgreSQL: refusals, hostile files, failures and kills half-way.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, readlink, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { extract, type Header, pack } from 'tar-stream';
import { beforeAll, describe, expect, test } from 'vitest';
import { exchangedIdentity, exchangedServer, exportingHome } from '../helpers/exporting-home.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { startProgram } from '../helpers/run-program.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { recordPath, writtenBackups } from '../helpers/write-catalog.ts';

const { weekly, secondTwin, failed } = writtenBackups;
const weeklyWal = '000000010000000000000002';

const out = (home: TestHome, ...names: string[]) => join(home.folder, 'out', ...names);
const run = async (home: TestHome, ...words: string[]) => await runPgcellar(words, { home });

/** Exports a backup and gives the path of the file. */
async function exported(home: TestHome, id: string = weekly, ...options: string[]): Promise<string> {
  const { stdout, exitCode, stderr } = await run(home, 'export-backup', ...options, 'main', id, out(home));
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const path = /exported to (\/.*)\n$/.exec(stdout)?.[1];
  return path ?? expect.fail(stdout);
}

/** Another home of the same cluster that has no backups yet. */
async function emptied(): Promise<TestHome> {
  const home = await createTestHome({ servers: { main: exchangedServer } });
  await mkdir(home.server('main'));
  await writeFile(home.server('main', 'identity.json'), exchangedIdentity);
  await home.makeFolder('out');
  return home;
}

/** What the catalog holds, but for what is derived, and what of the WAL is indexed. */
async function snapshot(home: TestHome): Promise<unknown> {
  const files = await readdir(home.server('main'), { recursive: true });
  const index = home.server('main', 'wals', 'main-xlog.db');
  return {
    files: files.filter((name) => !/^(?:base|wals|wals\/main-xlog.db|\.pgcellar(?:\/.*)?)$/.test(name)).toSorted(),
    index: existsSync(index) ? (await readFile(index, 'utf8')).split('\n').toSorted() : [''],
  };
}

type Member = Partial<Header> & { readonly name: string } & {
  readonly content?: string | Buffer;
};

/** Writes a tar file under the name that an export of backup `weekly` has. */
async function forged(home: TestHome, members: readonly Member[]): Promise<string> {
  const archive = pack();
  for (const { content, ...header } of members) archive.entry(header, content ?? '');
  archive.finalize();
  return await named(home, await buffer(archive));
}

async function named(home: TestHome, content: Buffer, id: string = weekly, ending = 'tar'): Promise<string> {
  const sum = createHash('sha256').update(content).digest('hex').slice(0, 8);
  const path = out(home, `backup-export-main-${id}-20260101T000000-${sum}.${ending}`);
  await writeFile(path, content);
  return path;
}

/** Members of a good export. */
async function membersOf(path: string): Promise<Member[]> {
  const members: Member[] = [];
  for await (const entry of Readable.from(await readFile(path)).pipe(extract())) {
    members.push({ ...entry.header, content: await buffer(entry) });
  }
  return members;
}

describe('an exported backup', () => {
  test.each([
    { compression: [], ending: 'tar', list: ['tar', '-tf'] },
    { compression: ['--compression', 'gzip', '--compression-level', '1'], ending: 'tar.gz', list: ['tar', '-tzf'] },
    { compression: ['--compression', 'bzip2'], ending: 'tar.bz2', list: ['tar', '-tjf'] },
    { compression: ['--compression', 'xz', '--compression-level', '0'], ending: 'tar.xz', list: ['tar', '-tJf'] },
  ])('is a tar file of the format, as $ending', async ({ compression, ending, list }) => {
    await using home = await exportingHome();
    const path = await exported(home, weekly, ...compression);
    const name = basename(path);
    expect(name).toMatch(
      new RegExp(`^backup-export-main-${weekly}-\\d{8}T\\d{6}-[0-9a-f]{8}\\.${ending.replaceAll('.', '\\.')}$`),
    );
    expect(name).toContain(
      createHash('sha256')
        .update(await readFile(path))
        .digest('hex')
        .slice(0, 8),
    );
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const [program = '', flags = ''] = list;
    const { stdout } = await promisify(execFile)(program, [flags, path]);
    const names = stdout.trimEnd().split('\n');
    expect(names.slice(0, 4)).toEqual(['identity.json', 'backup.info', 'barman.json', 'backup/']);
    expect(names.slice(-3)).toEqual(['wals/0000000100000000/', `wals/0000000100000000/${weeklyWal}`, 'xlog.db']);
    expect(names).not.toContain('backup/backup.info');
    expect(await readdir(out(home))).toEqual([name]);
  });

  test('holds the record and the lines of the index as they stand, and the identity sorted', async () => {
    await using home = await exportingHome();
    const index = home.server('main', 'wals', 'main-xlog.db');
    const line = `${weeklyWal}\t16777216\t1709258400.125\tNone\tNone\n`; // as newer releases of Barman write it
    await writeFile(index, (await readFile(index, 'utf8')).replace(/^.*\n/, line));
    const members = await membersOf(await exported(home));
    const textOf = (wanted: string) => String(members.find(({ name }) => name === wanted)?.content);
    expect(textOf('xlog.db')).toBe(line);
    expect(textOf('backup.info')).toBe(await readFile(recordPath(home, 'main', weekly), 'utf8'));
    expect(textOf('identity.json')).toBe('{\n    "systemid": "7000000000000000001",\n    "version": "15"\n}\n');
    expect(members[0]).toMatchObject({ mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) });
    expect(Object.keys(JSON.parse(textOf('barman.json')) as object)).toEqual(
      expect.arrayContaining([
        'barman_ver',
        'kernel_ver',
        'python_executable',
        'python_ver',
        'release',
        'rsync_ver',
        'ssh_ver',
        'timestamp',
      ]),
    );
  });

  test.each([
    { fact: 'a failed backup', words: [failed], error: /its status is FAILED/ },
    { fact: 'a folder that is not there', words: [weekly, '/nonexistent'], error: /cannot export to \/nonexistent: ENOENT/ },
    { fact: 'a file as the folder', words: [weekly, '/etc/passwd'], error: /it is not a folder/ },
    {
      fact: 'a level without a compression',
      words: ['--compression-level', '3', weekly],
      error: /--compression-level needs --compression/,
    },
    {
      fact: 'a level that gzip has not',
      words: ['--compression', 'gzip', '--compression-level', '0', weekly],
      error: /from 1 to 9, not 0/,
    },
  ])('refuses $fact', async ({ words, error }) => {
    await using home = await exportingHome();
    const last = words.at(-1)?.startsWith('/') === true ? [] : [out(home)];
    const [id, ...options] = [
      words.find((word) => /^\d{8}T/.test(word))!,
      ...words.filter((word) => word.startsWith('--') || /^(?:\d|gzip)$/.test(word)),
    ];
    const folder = words.filter((word) => word.startsWith('/'));
    const refused = await run(home, 'export-backup', ...options, 'main', id, ...folder, ...last);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(error);
    expect(await readdir(out(home))).toEqual([]);
  });

  test('is refused when WAL that it needs is missing on disk or in the index, or nothing says which cluster it is', async () => {
    await using home = await exportingHome();
    const wal = home.server('main', 'wals', '0000000100000000', weeklyWal);
    await rename(wal, `${wal}.away`);
    expect((await run(home, 'export-backup', 'main', weekly, out(home))).stderr).toContain(
      `needs the WAL segment ${weeklyWal}`,
    );
    await rename(`${wal}.away`, wal);
    const index = home.server('main', 'wals', 'main-xlog.db');
    await writeFile(index, (await readFile(index, 'utf8')).replace(/^.*\n/, ''));
    expect((await run(home, 'export-backup', 'main', weekly, out(home))).stderr).toContain(
      `needs the WAL segment ${weeklyWal}`,
    );
    await rm(home.server('main', 'identity.json'));
    expect((await run(home, 'export-backup', 'main', weekly, out(home))).stderr).toContain('has no identity.json');
    expect(await readdir(out(home))).toEqual([]);
  });

  test('that was killed leaves a working file, which the next one removes', async () => {
    await using home = await exportingHome();
    await writeFile(out(home, `backup-export-main-${weekly}-20260101T000000.tmp`), 'half');
    await writeFile(out(home, `backup-export-main-${secondTwin}-20260101T000000.tmp`), "another's");
    const path = await exported(home);
    expect((await readdir(out(home))).toSorted()).toEqual(
      [`backup-export-main-${secondTwin}-20260101T000000.tmp`, basename(path)].toSorted(),
    );
  });

  test('is busy while another command works on the backup', async () => {
    await using home = await exportingHome();
    const lock = join(home.path, `.main-${weekly}.lock`);
    await writeFile(lock, '');
    await using sleeper = startProgram(['flock', lock, 'sleep', '60'], { env: home.env() });
    await waitFor('the lock is held', async () => (await run(home, 'export-backup', 'main', weekly, out(home))).exitCode === 1);
    expect((await run(home, 'export-backup', 'main', weekly, out(home))).stderr).toMatch(
      /^ERROR: another process works on backup/,
    );
    sleeper.killGroup('SIGKILL');
  });
});

describe('an import', () => {
  test.each([[], ['--compression', 'gzip'], ['--compression', 'bzip2'], ['--compression', 'xz']])(
    'brings back what %s export took, kept standalone',
    async (...compression) => {
      await using home = await exportingHome();
      const path = await exported(home, weekly, ...compression);
      await using other = await emptied();
      const imported = await run(other, 'import-backup', 'main', path);
      expect(imported).toMatchObject({ exitCode: 0, stderr: '' });
      expect(await readFile(recordPath(other, 'main', weekly), 'utf8')).toBe(
        await readFile(recordPath(home, 'main', weekly), 'utf8'),
      );
      expect(await readFile(other.server('main', 'meta', `${weekly}-keep`), 'utf8')).toBe('standalone');
      const index = await readFile(other.server('main', 'wals', 'main-xlog.db'), 'utf8');
      expect(index).toMatch(new RegExp(`^${weeklyWal}\t16777216\t1709258400.0\tNone\n$`));
      const wal = ['wals', '0000000100000000', weeklyWal];
      expect((await readFile(other.server('main', ...wal))).equals(await readFile(home.server('main', ...wal)))).toBe(true);
      expect((await readdir(other.server('main', 'base'))).toSorted()).toEqual([weekly]);
      const listed = await readdir(other.server('main', 'base', weekly), { recursive: true });
      expect(listed.toSorted()).toEqual(
        ['backup.info', ...(await readdir(home.server('main', 'base', weekly), { recursive: true }))].toSorted(),
      );
      expect((await run(other, 'list-backups', 'main')).stdout).toContain(
        `main ${weekly} 'weekly' - F - Fri Mar  1 02:00:10 2024`,
      );
      expect((await run(other, 'delete', 'main', weekly)).exitCode).toBe(1);
      expect((await run(other, 'import-backup', 'main', path)).stderr).toContain(`has a backup ${weekly} already`);
    },
  );

  test('accepts WAL that is there with the same bytes, and adds a line that the index lacks', async () => {
    await using home = await exportingHome();
    const path = await exported(home);
    await run(home, 'delete', 'main', weekly);
    const wal = home.server('main', 'wals', '0000000100000000', weeklyWal);
    expect(existsSync(wal)).toBe(false);
    expect(await run(home, 'import-backup', 'main', path)).toMatchObject({ exitCode: 0 });
    await rm(recordPath(home, 'main', weekly));
    for (const left of ['base', 'meta'] as const) {
      await rm(home.server('main', left, left === 'base' ? weekly : `${weekly}-keep`), { recursive: true });
    }
    const index = home.server('main', 'wals', 'main-xlog.db');
    await writeFile(index, (await readFile(index, 'utf8')).replaceAll(new RegExp(`^${weeklyWal}.*\n`, 'gm'), ''));
    expect(await run(home, 'import-backup', 'main', path)).toMatchObject({ exitCode: 0 });
    expect((await readFile(index, 'utf8')).split('\n').filter((line) => line.startsWith(weeklyWal))).toHaveLength(1);
  });

  test.each([
    { fact: 'other bytes', spoil: (path: string) => writeFile(path, Buffer.alloc(16 * 1024 * 1024, 1)), line: undefined },
    { fact: 'another size in the index', spoil: () => Promise.resolve(), line: `${weeklyWal}\t17\t1709258400.0\tNone\n` },
    { fact: 'another time in the index', spoil: () => Promise.resolve(), line: `${weeklyWal}\t16777216\t1709258401.0\tNone\n` },
    {
      fact: 'an encryption in the index',
      spoil: () => Promise.resolve(),
      line: `${weeklyWal}\t16777216\t1709258400.0\tNone\tgpg\n`,
    },
  ])('refuses WAL that the archive has with $fact', async ({ spoil, line }) => {
    await using home = await exportingHome();
    const path = await exported(home);
    await rm(recordPath(home, 'main', weekly));
    await rm(home.server('main', 'base', weekly), { recursive: true });
    await spoil(home.server('main', 'wals', '0000000100000000', weeklyWal));
    const index = home.server('main', 'wals', 'main-xlog.db');
    if (line !== undefined) await writeFile(index, (await readFile(index, 'utf8')).replace(/^.*\n/, line));
    const before = await snapshot(home);
    const refused = await run(home, 'import-backup', 'main', path);
    expect(refused).toMatchObject({ exitCode: 1 });
    expect(refused.stderr).toContain(`the archive has other WAL under the same names: ${weeklyWal}\n`);
    expect(await snapshot(home)).toEqual(before);
  });

  test.each([
    { fact: 'another name', name: 'other.tar', error: /is not the name of an exported backup of server main/ },
    {
      fact: 'the name of another server',
      name: `backup-export-mainly-${weekly}-20260101T000000-01234567.tar`,
      error: /is not the name/,
    },
    { fact: 'another ending', name: `backup-export-main-${weekly}-20260101T000000-01234567.zip`, error: /is not the name/ },
    {
      fact: 'another checksum',
      name: `backup-export-main-${weekly}-20260101T000000-01234567.tar`,
      error: /its name says 01234567/,
    },
  ])('refuses a file with $fact', async ({ name, error }) => {
    await using home = await exportingHome();
    const path = await exported(home);
    await using other = await emptied();
    await rename(path, out(home, name));
    const before = await snapshot(other);
    const refused = await run(other, 'import-backup', 'main', out(home, name));
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(error);
    expect(await snapshot(other)).toEqual(before);
  });

  test('refuses what is missing, a folder, or cut off', async () => {
    await using home = await exportingHome();
    const path = await exported(home, weekly, '--compression', 'gzip');
    await using other = await emptied();
    expect((await run(other, 'import-backup', 'main', `${path}.none`)).stderr).toContain('ENOENT');
    expect((await run(other, 'import-backup', 'main', out(home))).stderr).toContain('it is not a regular file');
    const whole = await readFile(path);
    await writeFile(path, whole.subarray(0, whole.length - 100));
    expect((await run(other, 'import-backup', 'main', path)).stderr).toMatch(/its checksum is [0-9a-f]{8}, its name says/);
    const cut = gunzipSync(whole).subarray(0, 20_000);
    expect((await run(other, 'import-backup', 'main', await named(other, cut))).stderr).toContain(
      'cannot be read as a tar file',
    );
    const text = await named(other, Buffer.from('this is no tar file, whatever its name says'.repeat(40)));
    expect((await run(other, 'import-backup', 'main', text)).stderr).toContain('cannot be read as a tar file');
    expect(await readdir(other.server('main', 'base'))).toEqual([]);
  });

  test('refuses servers without an identity or of another cluster; another version is a warning', async () => {
    await using home = await exportingHome();
    const path = await exported(home);
    await using other = await emptied();
    const place = other.server('main', 'identity.json');
    await rm(place);
    expect((await run(other, 'import-backup', 'main', path)).stderr).toContain('has no identity.json');
    await writeFile(place, '{"systemid": "1", "version": "15"}');
    expect((await run(other, 'import-backup', 'main', path)).stderr).toContain('it is of another cluster');
    await writeFile(place, '{"systemid": "7000000000000000001", "version": "14"}');
    const imported = await run(other, 'import-backup', 'main', path);
    expect(imported.exitCode).toBe(0);
    expect(imported.stderr).toMatch(/^WARNING: the backup is of PostgreSQL 15, server main was of 14/);
  });
});

describe('a hostile tarball', () => {
  let members: readonly Member[];

  beforeAll(async () => {
    await using home = await exportingHome();
    members = await membersOf(await exported(home));
  });

  const evil = 'evil';
  const hostile: { fact: string; member: Member; error: RegExp }[] = [
    { fact: 'a name that leads out', member: { name: '../../evil', content: evil }, error: /leads elsewhere/ },
    {
      fact: 'a name that leads out below a tree',
      member: { name: 'backup/data/../../../evil', content: evil },
      error: /leads elsewhere/,
    },
    { fact: 'an absolute name', member: { name: '/tmp/evil', content: evil }, error: /leads elsewhere/ },
    {
      fact: 'a symbolic link',
      member: { name: 'backup/data/base', type: 'symlink', linkname: '/etc' },
      error: /symbolic link where none belongs/,
    },
    {
      fact: 'a symbolic link as the tree',
      member: { name: 'wals', type: 'symlink', linkname: '/etc' },
      error: /symbolic link where none belongs/,
    },
    {
      fact: 'a link deeper than a tablespace',
      member: { name: 'backup/data/pg_tblspc/1/x', type: 'symlink', linkname: '/etc' },
      error: /symbolic link where none belongs/,
    },
    {
      fact: 'a hard link',
      member: { name: 'backup/data/x', type: 'link', linkname: '/etc/passwd' },
      error: /neither file nor folder/,
    },
    { fact: 'a device', member: { name: 'backup/data/x', type: 'character-device' }, error: /neither file nor folder/ },
    { fact: 'a pipe', member: { name: 'backup/data/x', type: 'fifo' }, error: /neither file nor folder/ },
    { fact: 'a member twice', member: { name: 'backup.info', content: evil }, error: /two of its members have one name/ },
    {
      fact: 'a file below a file',
      member: { name: 'backup/data/PG_VERSION/x', content: evil },
      error: /two of its members have one name|cannot be read/,
    },
  ];

  test.each(hostile)('with $fact is refused, and nothing is written', async ({ member, error }) => {
    await using other = await emptied();
    const path = await forged(other, [...members.filter(({ name }) => name !== member.name || name === 'backup.info'), member]);
    const before = await snapshot(other);
    const refused = await run(other, 'import-backup', 'main', path);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(error);
    expect(await snapshot(other)).toEqual(before);
    for (const place of [join(other.folder, 'evil'), join(other.path, 'evil'), '/tmp/evil'])
      expect(existsSync(place)).toBe(false);
  });

  const without = (wanted: RegExp) => (all: readonly Member[]) => all.filter(({ name }) => !wanted.test(name));
  const rewritten = (wanted: string, change: (text: string) => string) => (all: readonly Member[]) =>
    all.map((member) => (member.name === wanted ? withText(member, change(String(member.content))) : member));

  test.each([
    { fact: 'no record', change: without(/^backup\.info$/), error: /it has no file backup\.info/ },
    { fact: 'no index', change: without(/^xlog\.db$/), error: /it has no file xlog\.db/ },
    { fact: 'no identity', change: without(/^identity\.json$/), error: /it has no file identity\.json/ },
    { fact: 'no backup', change: without(/^backup\//), error: /it has no folder backup/ },
    { fact: 'no WAL', change: without(/^wals/), error: /it has no folder wals/ },
    { fact: 'a segment less', change: without(new RegExp(weeklyWal)), error: /which the backup needs, is missing/ },
    { fact: 'an index without the segment', change: rewritten('xlog.db', () => ''), error: /does not list the WAL segment/ },
    { fact: 'nonsense in the index', change: rewritten('xlog.db', () => 'nonsense\n'), error: /has an invalid line/ },
    {
      fact: 'a wrong size in the index',
      change: rewritten('xlog.db', (text) => text.replace('16777216', '5')),
      error: /is not as long as/,
    },
    {
      fact: 'a key in the record that no program writes',
      change: rewritten('backup.info', (text) => `${text}../evil=1\n`),
      error: /its record is damaged/,
    },
    {
      fact: 'a record that never ends',
      change: rewritten('backup.info', (text) => text.replace(/end_wal=.*/, 'end_wal=00000001FFFFFFFF000000FF')),
      error: /does not say which WAL it needs/,
    },
    {
      fact: 'a record with tiny segments',
      change: rewritten('backup.info', (text) => text.replace(/xlog_segment_size=.*/, 'xlog_segment_size=1')),
      error: /does not say which WAL it needs/,
    },
    {
      fact: 'a record that is not DONE',
      change: rewritten('backup.info', (text) => text.replace('status=DONE', 'status=FAILED')),
      error: /its status is FAILED/,
    },
    {
      fact: 'an incremental record',
      change: rewritten('backup.info', (text) => text.replace(/parent_backup_id=.*/, `parent_backup_id=${secondTwin}`)),
      error: /it is incremental/,
    },
    {
      fact: 'a record of another cluster',
      change: rewritten('backup.info', (text) => text.replace(/systemid=.*/, 'systemid=5')),
      error: /its record names another cluster/,
    },
    { fact: 'an identity that is none', change: rewritten('identity.json', () => '[]'), error: /identity\.json does not hold/ },
  ])('with $fact is refused, and the catalog is as before', async ({ change, error }) => {
    await using other = await emptied();
    const path = await forged(other, change(members));
    const before = await snapshot(other);
    const refused = await run(other, 'import-backup', 'main', path);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toMatch(error);
    expect(await snapshot(other)).toEqual(before);
  });

  test('with a key of a newer program in the record is taken, and the key is kept', async () => {
    await using other = await emptied();
    const path = await forged(other, rewritten('backup.info', (text) => `${text}gp_dbid=3\n`)(members));
    expect(await run(other, 'import-backup', 'main', path)).toMatchObject({ exitCode: 0 });
    expect(await readFile(other.server('main', 'meta', `${weekly}-backup.info`), 'utf8')).toContain('gp_dbid=3\n');
  });

  test('with more than belongs to it brings in nothing of that', async () => {
    await using other = await emptied();
    const more: Member[] = [
      { name: 'wals/0000000100000000/0000000100000000000000FF', content: 'not needed' },
      { name: 'wals/evil', content: evil },
      { name: 'evil', content: evil },
      { name: 'backup/data/setuid', mode: 0o4755, content: evil },
      { name: 'backup/data/pg_tblspc/99', type: 'symlink', linkname: '/etc' },
      { name: 'backup/data/pg_tblspc/16400', type: 'symlink', linkname: '/etc' },
    ];
    expect(await run(other, 'import-backup', 'main', await forged(other, [...members, ...more]))).toMatchObject({
      exitCode: 0,
    });
    expect((await readdir(other.server('main', 'wals'), { recursive: true })).toSorted()).toEqual([
      '0000000100000000',
      `0000000100000000/${weeklyWal}`,
      'main-xlog.db',
    ]);
    const data = other.server('main', 'base', weekly, 'data');
    expect((await stat(join(data, 'setuid'))).mode & 0o7777).toBe(0o755);
    expect(await readdir(join(data, 'pg_tblspc'))).toEqual(['16400']);
    expect(await readlink(join(data, 'pg_tblspc', '16400'))).toBe(other.server('main', 'base', weekly, '16400'));
  });
});

describe('an import that fails half-way', () => {
  test('when the WAL cannot be moved is undone', async () => {
    await using home = await exportingHome();
    const path = await exported(home);
    await using other = await emptied();
    await mkdir(other.server('main', 'wals'), { recursive: true });
    await writeFile(other.server('main', 'wals', '0000000100000000'), 'in the way');
    const before = await snapshot(other);
    expect((await run(other, 'import-backup', 'main', path)).exitCode).toBe(1);
    expect(await snapshot(other)).toEqual(before);
  });

  test('when the record cannot be written is undone, WAL and index too', async () => {
    await using home = await exportingHome();
    const path = await exported(home);
    await using other = await emptied();
    await writeFile(other.server('main', 'meta'), 'in the way');
    const before = await snapshot(other);
    expect((await run(other, 'import-backup', 'main', path)).exitCode).toBe(1);
    expect(await snapshot(other)).toEqual(before);
  });

  const marker = JSON.stringify({ id: weekly, wals: [weeklyWal] });

  test.each([
    {
      fact: 'while it unpacked',
      build: async (home: TestHome, staging: string) => {
        await cp(home.server('main', 'base', weekly), join(staging, 'backup'), { recursive: true });
      },
    },
    {
      fact: 'after the files were moved',
      build: async (home: TestHome, staging: string) => {
        await writeFile(join(staging, 'import.json'), marker);
        await cp(home.server('main', 'base', weekly), home.server('other', 'base', weekly), { recursive: true });
      },
    },
    {
      fact: 'after WAL was moved',
      build: async (home: TestHome, staging: string) => {
        await writeFile(join(staging, 'import.json'), marker);
        await cp(home.server('main', 'base', weekly), home.server('other', 'base', weekly), { recursive: true });
        await mkdir(home.server('other', 'wals', '0000000100000000'), { recursive: true });
        await writeFile(home.server('other', 'wals', '0000000100000000', weeklyWal), 'moved');
      },
    },
  ])('killed $fact, is undone by cron, and can be done again', async ({ build }) => {
    await using home = await exportingHome();
    const path = await exported(home);
    await home.writeServer('other', exchangedServer);
    await writeFile(home.server('main', 'identity.json'), await readFile(home.server('main', 'identity.json')));
    for (const folder of ['base', 'meta', 'wals']) await mkdir(home.server('other', folder), { recursive: true });
    await writeFile(home.server('other', 'wals', 'other-xlog.db'), '');
    await writeFile(home.server('other', 'identity.json'), await readFile(home.server('main', 'identity.json')));
    const staging = home.server('other', 'base', '.import-abcdef');
    await mkdir(staging);
    await build(home, staging);
    expect((await run(home, 'list-backups', 'other')).stdout).toBe('');
    expect((await run(home, 'cron')).exitCode).toBe(0);
    expect(await readdir(home.server('other', 'base'))).toEqual([]);
    expect(await readdir(home.server('other', 'wals'))).toEqual(['other-xlog.db']);
    const renamed = join(home.folder, 'out', basename(path).replace('-main-', '-other-'));
    await rename(path, renamed);
    expect(await run(home, 'import-backup', 'other', renamed)).toMatchObject({ exitCode: 0 });
    expect((await run(home, 'list-backups', '--minimal', 'other')).stdout).toBe(`${weekly}\n`);
  });

  test('killed after the record was written, is complete, and gets its keep', async () => {
    await using home = await exportingHome();
    const staging = home.server('main', 'base', '.import-abcdef');
    await mkdir(staging);
    await writeFile(join(staging, 'import.json'), marker);
    expect((await run(home, 'cron')).exitCode).toBe(0);
    expect(existsSync(staging)).toBe(false);
    expect(await readFile(home.server('main', 'meta', `${weekly}-keep`), 'utf8')).toBe('standalone');
    expect(existsSync(home.server('main', 'wals', '0000000100000000', weeklyWal))).toBe(true);
  });
});

/** A member with another content. */
function withText(member: Member, text: string): Member {
  return { ...member, size: Buffer.byteLength(text), content: text };
}
