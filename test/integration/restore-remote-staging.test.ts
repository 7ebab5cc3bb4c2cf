// What stands in the way of unpacking and combining on another host: told before anything is written there, and nothing is left there whatever happens.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { canMount, mountSmallFileSystem } from '../helpers/small-file-system.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { recordPath, writeCatalog, writeManifest, writtenBackups } from '../helpers/write-catalog.ts';

const { weekly, firstTwin, secondTwin } = writtenBackups;
const mounts = await canMount();

let opened: Opened;
let home: TestHome;
let sshd: Sshd;
let there: string;

beforeEach(async () => {
  opened = new Opened();
  const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
  home = await opened.add(createTestHome({ servers: { main: server } }));
  await writeCatalog(home, 'main');
  for (const id of [firstTwin, secondTwin]) await writeManifest(home, 'main', id);
  there = (await opened.add(createTemporaryFolder('th'))).path;
  await mkdir(join(there, 'programs'));
  const script = `#!/bin/sh\nif [ -e '${there}/hold' ]; then touch '${there}/reached'; while [ -e '${there}/hold' ]; do sleep 0.05; done; fi\nexec /usr/bin/tar "$@"\n`;
  await writeFile(join(there, 'programs/tar'), script, { mode: 0o755 });
  sshd = await opened.add(startSshd({ programs: { tar: join(there, 'programs/tar') } }));
  await mkdir(join(there, 'staging'));
});
afterEach(async () => {
  await opened.close();
});

async function run(words: readonly string[]): Promise<{ exitCode: number | undefined; stderr: string }> {
  const { exitCode, stderr } = await runPgcellar(wordsFor(words), { home });
  return { exitCode, stderr };
}

function wordsFor(words: readonly string[]): string[] {
  const staged = ['--staging-location', 'remote', '--staging-path', join(there, 'staging')];
  return ['restore', ...staged, '--remote-ssh-command', sshd.sshCommand, ...words];
}

/** A dry run and a run refuse alike and write nothing. */
async function expectRefused(words: readonly string[], says: RegExp): Promise<void> {
  const dry = await run(['--dry-run', ...words]);
  expect(dry).toEqual({ exitCode: 1, stderr: expect.stringMatching(says) as string });
  expect(await run(words)).toEqual(dry);
  expect((await readdir(there)).toSorted()).toEqual(['programs', 'staging']);
  expect(await readdir(join(there, 'staging'))).toEqual([]);
}

async function setRecord(id: string, keys: Readonly<Record<string, string>>): Promise<void> {
  const path = recordPath(home, 'main', id);
  let text = await readFile(path, 'utf8');
  for (const [key, value] of Object.entries(keys)) text = text.replace(new RegExp(`^${key}=.*$`, 'm'), `${key}=${value}`);
  await writeFile(path, text);
}

/** Packs a backup as pg_basebackup would; `more` are words of tar. */
async function pack(
  id: string,
  { compression = 'gzip', more = [] }: { compression?: string; more?: readonly string[] } = {},
): Promise<void> {
  const data = home.server('main', 'base', id, 'data');
  const suffix = { gzip: '.gz', none: '', snappy: '.snappy' }[compression] ?? '';
  const how = compression === 'gzip' ? ['-z'] : [];
  const tar = await runProgram(['tar', '-C', data, ...how, '-cf', `${data}.tar`, ...more, '.']);
  expect(tar).toMatchObject({ exitCode: 0 });
  await rm(data, { recursive: true });
  await mkdir(data);
  await writeManifest(home, 'main', id);
  await runProgram(['mv', `${data}.tar`, join(data, `base.tar${suffix}`)]);
  await setRecord(id, { compression });
}

test('a packed backup is unpacked there, and the restore ends with its control file', async () => {
  await pack(secondTwin);
  expect(await run(['main', secondTwin, join(there, 'data')])).toMatchObject({ exitCode: 0 });
  expect(await readFile(join(there, 'data/global/pg_control'), 'utf8')).toBe('control');
  expect((await readdir(join(there, 'data'))).toSorted()).toEqual(
    expect.arrayContaining(['PG_VERSION', 'backup_label', 'global', 'pg_wal', 'postgresql.conf', '.barman-recover.info']),
  );
  expect(await readdir(join(there, 'staging'))).toEqual([]);
});

describe('work that is impossible on the other host', () => {
  test('a compression that only this host can unpack', async () => {
    await pack(secondTwin, { compression: 'snappy' });
    await expectRefused(
      ['main', secondTwin, join(there, 'data')],
      /compression snappy cannot be unpacked on another host[^]*--staging-location local/,
    );
  });

  test('a chain of a version whose pg_combinebackup is not there', async () => {
    await setRecord(secondTwin, { parent_backup_id: firstTwin, version: '170004' });
    await setRecord(firstTwin, { children_backup_ids: secondTwin, version: '170004' });
    await expectRefused(
      ['main', secondTwin, join(there, 'data')],
      /the program pg_combinebackup was not found on 127\.0\.0\.1|root@127\.0\.0\.1; it is needed for PostgreSQL 17/,
    );
  });

  test('a backup that has a member with a link in it, found before it is unpacked', async () => {
    await runProgram(['ln', '-s', '/etc', home.server('main', 'base', secondTwin, 'data', 'base')]);
    await pack(secondTwin);
    const { exitCode, stderr } = await run(['main', secondTwin, join(there, 'data')]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringMatching(/its member 'base' is a symbolic link/) as string,
    });
    expect(await readdir(join(there, 'staging'))).toEqual([]);
    expect(existsSync(join(there, 'data/PG_VERSION'))).toBe(false);
  });

  test('a tar file with a member that climbs', async () => {
    await pack(secondTwin, { more: ['--transform', 's,^./PG_VERSION$,../climbed,', '-P'] });
    const { exitCode, stderr } = await run(['main', secondTwin, join(there, 'data')]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: expect.stringMatching(/would be written outside the destination/) as string,
    });
    expect(existsSync(join(there, 'climbed'))).toBe(false);
  });

  test('folders that are named from the working folder of this host', async () => {
    await pack(secondTwin);
    await expectRefused(['main', secondTwin, 'data'], /the path of a folder on another host must be absolute, not data\n/);
    const words = ['--target-immediate', '--staging-wal-directory', 'wal', 'main', secondTwin, join(there, 'data')];
    await expectRefused(words, /the path of a folder on another host must be absolute, not wal\n/);
  });

  test('without ssh there is no other host', async () => {
    await pack(secondTwin);
    const words = ['restore', '--staging-location', 'remote', 'main', secondTwin, join(there, 'data')];
    expect(await runPgcellar(words, { home })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('--staging-location remote needs --remote-ssh-command') as string,
    });
  });

  test('a delta restore of what has to be unpacked', async () => {
    await pack(secondTwin);
    await expectRefused(['--delta-restore', 'main', secondTwin, join(there, 'data')], /a delta restore needs a plain backup/);
  });
});

test.skipIf(!mounts)('too little space for what is staged is refused, on either host', async () => {
  const small = await opened.add(mountSmallFileSystem({ sizeMib: 1 }));
  const relation = home.server('main', 'base', secondTwin, 'data', 'relation');
  await runProgram(['sh', '-c', 'head -c 4000000 /dev/urandom > "$1"', 'sh', relation]);
  await pack(secondTwin);
  for (const location of ['local', 'remote']) {
    const words = ['--staging-location', location, '--staging-path', small.path, 'main', secondTwin, join(there, 'data')];
    const { stderr } = await run(['--dry-run', ...words]);
    const where = location === 'local' ? small.path : `${small.path} on \\S+`;
    expect(stderr).toMatch(new RegExp(`there is too little space at ${where}: [4-9]\\d{6} bytes are needed`));
    expect(await run(words)).toMatchObject({ exitCode: 1, stderr });
    expect(await readdir(small.path)).toEqual([]);
  }
});

test.skipIf(!mounts)('a staging folder that cannot be written to is refused, on either host', async () => {
  const small = await opened.add(mountSmallFileSystem({ sizeMib: 1 }));
  expect(await runProgram(['mount', '-o', 'remount,ro', small.path])).toMatchObject({ exitCode: 0 });
  await pack(secondTwin);
  for (const location of ['local', 'remote']) {
    const words = ['--staging-location', location, '--staging-path', small.path, 'main', secondTwin, join(there, 'data')];
    await expectRefused(words, new RegExp(`cannot make a staging folder in ${small.path}: it cannot be written to`));
  }
});

test('an interrupted restore leaves nothing in the staging folder', async () => {
  await pack(secondTwin);
  await writeFile(join(there, 'hold'), '');
  await using program = await spawnPgcellar(wordsFor(['main', secondTwin, join(there, 'data')]), { home });
  await waitFor('it unpacks there', () => existsSync(join(there, 'reached')));
  expect(await readdir(join(there, 'staging'))).toHaveLength(1);
  program.kill('SIGTERM');
  const { exitCode, stderr } = await program.ended;
  expect({ exitCode, stderr }).toEqual({
    exitCode: expect.any(Number) as number,
    stderr: expect.stringContaining('interrupted') as string,
  });
  expect(exitCode).not.toBe(0);
  expect(await readdir(join(there, 'staging'))).toEqual([]);
  await waitFor(
    'tar ends there',
    async () => !(await home.processes()).some(({ command }) => command.includes('programs/tar')),
  );
  await rm(join(there, 'hold'));
});

describe.each(['here', 'there'])(
  'with the source server gone, its host unreachable and its configuration inactive, a restore %s',
  (where) => {
    test.each([
      { why: 'the server is dead', more: {} },
      {
        why: 'its host cannot be reached',
        more: { conninfo: 'host=192.0.2.1 connect_timeout=1', ssh_command: 'ssh -o ConnectTimeout=1 nobody@192.0.2.1' },
      },
      { why: 'it is inactive', more: { active: false } },
    ])('works when $why, and asks nobody', async ({ more }) => {
      const base = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
      await home.writeServer('main', { ...base, ...more });
      const fast = join(there, 'fast');
      const reach = where === 'here' ? [] : ['--remote-ssh-command', sshd.sshCommand];
      const words = [
        'restore',
        ...reach,
        '--target-xid',
        '800',
        '--tablespace',
        `fast:${fast}`,
        'main',
        weekly,
        join(there, 'data'),
      ];
      const dry = await runPgcellar(['-f', 'json', ...words, '--dry-run'], { home });
      expect(dry, dry.stdout).toMatchObject({ exitCode: 0 });
      const real = await runPgcellar(words, { home });
      expect(real, real.stderr).toMatchObject({ exitCode: 0 });
      expect(existsSync(join(there, 'data/global/pg_control'))).toBe(true);
      expect(existsSync(join(fast, 'PG_15_202209061/5/16401'))).toBe(true);
      const { plan } = JSON.parse(dry.stdout) as { plan: { recovery_settings: { lines: string[] }; wal: { files: string[] } } };
      const written = await readFile(join(there, 'data/postgresql.auto.conf'), 'utf8');
      expect(written).toBe(plan.recovery_settings.lines.map((line) => `${line}\n`).join(''));
      expect((await readdir(join(there, 'data/barman_wal'))).toSorted()).toEqual(plan.wal.files.toSorted());
    });
  },
);
