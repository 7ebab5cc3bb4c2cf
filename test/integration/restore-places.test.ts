// Restores to another host through a real sshd, and onto files that are there.
import { existsSync } from 'node:fs';
import {
  appendFile,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlive } from '../../src/shared/is-alive.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { type Mark, startWriteLoad } from '../helpers/write-load.ts';
import { serverUser } from '../machine/server-user.mjs';

interface Story {
  readonly home: TestHome;
  readonly plain: string;
  readonly packed: string;
  readonly later: string;
  readonly mark: Mark;
  readonly ids: readonly number[];
}

async function tell(cluster: PostgresServer, opened: Opened): Promise<Story> {
  const tablespace = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
  const home = await opened.add(createTestHome({ servers: { main: serverOf(cluster) } }));
  await startReceiver(home, cluster);
  await using load = await startWriteLoad(cluster, { paddingBytes: 300 });
  await cluster.query(`CREATE TABLESPACE fast LOCATION '${tablespace.path}'`);
  await cluster.query('ALTER TABLE load SET TABLESPACE fast');
  const plain = await backUp(home);
  await home.writeServer('main', { ...serverOf(cluster), backup_compression: 'gzip', backup_compression_format: 'tar' });
  const packed = await backUp(home);
  await home.writeServer('main', serverOf(cluster));
  const mark = await load.mark();
  await cluster.query('CREATE TABLE more AS SELECT i FROM generate_series(1, 20000) i');
  const later = await backUp(home);
  await load.stop();
  await runWell(['switch-wal', '--archive', 'main'], { home });
  return { home, plain, packed, later, mark, ids: load.journal.map(({ id }) => id) };
}

function serverOf(cluster: PostgresServer): IniSection {
  return streamingServer(cluster, { immediate_checkpoint: true, compression: 'gzip' });
}

async function backUp(home: TestHome): Promise<string> {
  await runWell(['backup', '--wait', 'main'], { home });
  const [id = ''] = (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n');
  return id;
}

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let story: Story;
    let sshd: Sshd;
    let folder: TemporaryFolder;

    beforeAll(async () => {
      const cluster = await opened.add(startCluster({ major, initdbArgs: ['--wal-segsize=1'] }));
      story = await tell(cluster, opened);
      sshd = await opened.add(startSshd());
      folder = await opened.add(createTemporaryFolder('pl', { owner: 'server' }));
    });
    afterAll(() => opened.close());

    let number = 0;
    async function newPlace(): Promise<{ dataDir: string; fast: string; words: string[] }> {
      const place = join(folder.path, String(++number));
      await mkdir(place);
      const fast = join(place, 'fast');
      return {
        dataDir: join(place, 'data'),
        fast,
        words: ['restore', `--tablespace=fast:${fast}`, '--staging-path', folder.path],
      };
    }

    async function idsOf(server: PostgresServer): Promise<number[]> {
      return (await server.query<{ id: string }>('SELECT id FROM load ORDER BY id')).map(({ id }) => Number(id));
    }

    describe('another host', () => {
      test.each([
        { what: 'a plain backup to a time', backup: 'plain', more: ['--jobs', '2', '--network-compression'], target: true },
        { what: 'a tar backup to a time', backup: 'packed', more: [], target: true },
        { what: 'a plain backup to the end', backup: 'plain', more: [], target: false },
      ] as const)('gets $what, with what was committed there', async ({ backup, more, target }) => {
        const { home, mark, ids } = story;
        const { dataDir, fast, words } = await newPlace();
        const point = target ? [`--target-time=${mark.time}`, '--target-action=promote'] : [];
        const all = [...words, ...more, ...point, '--remote-ssh-command', sshd.sshCommand, 'main', story[backup], dataDir];
        const dry = await runPgcellar([...all, '--dry-run'], { home });
        expect(dry, dry.stderr).toMatchObject({ exitCode: 0 });
        expect(existsSync(dataDir)).toBe(false);
        const real = await runPgcellar(all, { home });
        expect(real, real.stderr).toMatchObject({ exitCode: 0 });
        expect(real.stdout).toContain('Starting remote restore for server main');
        expect((await readdir(folder.path)).filter((name) => name.startsWith('pgcellar-restore'))).toEqual([]);
        await using server = await startRestored({ dataDir, tablespaces: [fast], major, wait: 'promoted' });
        expect(await idsOf(server)).toEqual(target ? ids.filter((id) => id <= mark.lastId) : ids);
      });

      test('is refused where files are, before anything is written', async () => {
        const { home, plain } = story;
        const { dataDir, words } = await newPlace();
        await mkdir(dataDir, { recursive: true });
        await writeFile(join(dataDir, 'thesis.txt'), 'the only copy');
        const result = await runPgcellar([...words, '--remote-ssh-command', sshd.sshCommand, 'main', plain, dataDir], { home });
        expect(result.exitCode).toBe(1);
        expect(result.stderr).toContain('is not empty: it has thesis.txt');
        expect(await readFile(join(dataDir, 'thesis.txt'), 'utf8')).toBe('the only copy');
      });

      test('that cannot be reached is told in one line', async () => {
        const { home, plain } = story;
        const { dataDir, words } = await newPlace();
        const ssh = 'ssh -p 1 -o BatchMode=yes -o StrictHostKeyChecking=no nobody@127.0.0.1';
        const result = await runPgcellar([...words, '--remote-ssh-command', ssh, 'main', plain, dataDir], { home });
        expect(result.exitCode).toBe(1);
        expect(result.stderr).toMatch(/^ERROR: .*127\.0\.0\.1/);
      });
    });

    describe.each(['here', 'on another host'])('a delta restore %s', (where) => {
      const reach = () => (where === 'here' ? [] : ['--remote-ssh-command', sshd.sshCommand]);

      test('brings an older, used copy of the cluster to the state of the backup', async () => {
        const { home, plain, later, ids } = story;
        const { dataDir, fast, words } = await newPlace();
        await runWell([...words, ...reach(), 'main', plain, dataDir], { home });
        {
          await using server = await startRestored({ dataDir, tablespaces: [fast], major, wait: 'promoted' });
          await server.query('CREATE TABLE junk AS SELECT 1; DELETE FROM load');
        }
        // a file of the same size and time with other content
        const version = join(dataDir, 'base/1/PG_VERSION');
        const { mtime } = await stat(version);
        await writeFile(version, (await readFile(version, 'utf8')).replaceAll(/\d/g, 'x'));
        await utimes(version, mtime, mtime);
        await appendFile(join(dataDir, 'base/1/junk'), 'junk');
        await runWell([...words, ...reach(), '--delta-restore', 'main', later, dataDir], { home });
        expect(existsSync(join(dataDir, 'base/1/junk'))).toBe(false);
        expect(existsSync(join(dataDir, 'pg_wal.before-restore'))).toBe(true);
        await using server = await startRestored({ dataDir, tablespaces: [fast], major, wait: 'promoted' });
        expect(await idsOf(server)).toEqual(ids);
        expect(await server.value('SELECT count(*) FROM more')).toBe('20000');
        await expect(server.query('SELECT * FROM junk')).rejects.toThrow('does not exist');
      });

      test('leaves WAL and logs on the disks that they are linked to, and tells every other link that goes', async () => {
        const { home, plain, later, ids } = story;
        const { dataDir, fast, words } = await newPlace();
        await runWell([...words, ...reach(), 'main', plain, dataDir], { home });
        const disk = `${dataDir}-disk`;
        await mkdir(join(disk, 'log'), { recursive: true });
        await rename(join(dataDir, 'pg_wal'), join(disk, 'pg_wal'));
        await rename(join(dataDir, 'base/1'), join(disk, 'one'));
        await rm(join(dataDir, 'log'), { recursive: true, force: true });
        for (const [target, name] of [
          ['pg_wal', 'pg_wal'],
          ['log', 'log'],
          ['one', 'base/1'],
        ] as const)
          await symlink(join(disk, target), join(dataDir, name));
        await writeFile(join(disk, 'log/yesterday.log'), 'all was well');
        await mkdir(join(disk, 'pg_wal/lost+found'));
        const segments = (await readdir(join(disk, 'pg_wal'))).filter((name) => /^\w{24}$/.test(name));
        const all = [...words, ...reach(), '--delta-restore', 'main', later, dataDir];

        const dry = await runPgcellar([...all, '--dry-run'], { home });
        expect(dry).toMatchObject({ exitCode: 0 });
        expect(dry.stderr).toContain(`${dataDir}/pg_wal is a symbolic link to ${disk}/pg_wal and is kept: WAL goes there`);
        expect(dry.stderr).toContain(`${dataDir}/log is a symbolic link to ${disk}/log and is kept`);
        expect(dry.stderr).toContain(
          `${dataDir}/base/1 is a symbolic link to ${disk}/one: the content of the backup replaces it`,
        );
        await runWell(all, { home });
        await runWell(all, { home }); // what was put aside stays as it was

        expect(await readlink(join(dataDir, 'pg_wal'))).toBe(join(disk, 'pg_wal'));
        expect(await readlink(join(dataDir, 'log'))).toBe(join(disk, 'log'));
        expect((await lstat(join(dataDir, 'base/1'))).isDirectory()).toBe(true);
        expect(await readFile(join(disk, 'log/yesterday.log'), 'utf8')).toBe('all was well');
        expect(await readdir(join(disk, 'pg_wal/pg_wal.before-restore'))).toEqual(expect.arrayContaining(segments));
        expect(segments.length).toBeGreaterThan(0);
        expect(existsSync(join(disk, 'pg_wal/lost+found'))).toBe(true);
        await using server = await startRestored({ dataDir, tablespaces: [fast, disk], major, wait: 'promoted' });
        expect(await idsOf(server)).toEqual(ids);
        expect((await readdir(join(disk, 'pg_wal'))).filter((name) => /^\w{24}$/.test(name)).length).toBeGreaterThan(0);
      });

      test('that is killed cannot be started, and the same command again finishes', async () => {
        const { home, plain, ids } = story;
        const { dataDir, fast, words } = await newPlace();
        await runWell([...words, ...reach(), 'main', plain, dataDir], { home });
        await rm(join(dataDir, 'base/1'), { recursive: true });
        const again = [...words, ...reach(), '--delta-restore', 'main', plain, dataDir];
        {
          await using program = await spawnPgcellar([...again, '--bwlimit', '500'], { home });
          await waitFor('the control file is gone', () => !existsSync(join(dataDir, 'global/pg_control')));
          program.killGroup('SIGKILL');
          await program.ended;
        }
        expect(existsSync(join(dataDir, 'global/pg_control'))).toBe(false);
        await waitFor(
          'no rsync writes any more',
          async () => !(await home.processes()).some(({ command }) => command.includes('rsync')),
        );
        await runWell(again, { home });
        await using server = await startRestored({ dataDir, tablespaces: [fast], major, wait: 'promoted' });
        expect(await idsOf(server)).toEqual(ids);
      });
    });

    test.skipIf(process.getuid?.() !== 0)('root starts what it restored as the owner of the destination', async () => {
      const { home, plain, mark, ids } = story;
      const { dataDir, words } = await newPlace();
      const target = [`--target-time=${mark.time}`, '--target-action=promote'];
      const all = ['-f', 'json', ...words, ...target, '--start', 'main', plain, dataDir];
      const refused = await runPgcellar(all, { home });
      expect(refused.stdout).toContain('PostgreSQL does not run as root');
      expect(existsSync(dataDir)).toBe(false);
      const user = serverUser();
      await mkdir(dataDir);
      await chown(dataDir, user?.uid ?? 0, user?.gid ?? 0);
      const { exitCode, stdout } = await runPgcellar(all, { home });
      const { start } = JSON.parse(stdout) as {
        start: { reached: boolean; state: string; pid: number; port: number; socket_directory: string };
      };
      try {
        expect({ exitCode, start }).toMatchObject({ exitCode: 0, start: { reached: true, state: 'open' } });
        const client = new Client({ host: start.socket_directory, port: start.port, user: 'postgres', database: 'postgres' });
        await client.connect();
        const { rows } = await client.query<{ id: string }>('SELECT id FROM load ORDER BY id');
        await client.end();
        expect(rows.map(({ id }) => Number(id))).toEqual(ids.filter((id) => id <= mark.lastId));
      } finally {
        process.kill(start.pid, 'SIGINT');
        await waitFor('the started server ends', () => !isAlive(start.pid));
        expect(existsSync(start.socket_directory)).toBe(false);
        expect(existsSync(join(dataDir, 'postmaster.pid'))).toBe(false);
        expect(await readFile(join(dataDir, 'log/pgcellar-start.log'), 'utf8')).toContain('recovery stopping before commit');
      }
    });

    test('a server on another host is not started, which is said before anything is written', async () => {
      const { home, plain } = story;
      const { dataDir, words } = await newPlace();
      const all = [...words, '--start', '--remote-ssh-command', sshd.sshCommand, 'main', plain, dataDir];
      const { exitCode, stderr } = await runPgcellar(all, { home });
      expect({ exitCode, stderr }).toEqual({
        exitCode: 1,
        stderr: expect.stringMatching(
          /^ERROR: --start works on this host only, not with --remote-ssh-command\nHINT: /,
        ) as string,
      });
      expect(existsSync(dataDir)).toBe(false);
    });

    describe('a restore that is killed', () => {
      test.each([
        { stage: 'while it unpacks', backup: 'packed', more: () => ['--bwlimit', '2000'], until: 'base' },
        { stage: 'while it copies WAL', backup: 'plain', more: () => ['--target-name', 'nowhere'], until: 'barman_wal' },
        {
          stage: 'while it sends',
          backup: 'plain',
          more: () => ['--bwlimit', '2000', '--remote-ssh-command', sshd.sshCommand],
          until: 'base',
        },
      ] as const)('$stage cannot be started, and the same command says what to remove', async ({ backup, more, until }) => {
        const { home } = story;
        const { dataDir, fast, words } = await newPlace();
        const all = [...words, ...more(), 'main', story[backup], dataDir];
        {
          await using program = await spawnPgcellar(all, { home });
          await waitFor('it is under way', () => existsSync(join(dataDir, until)), { everyMs: 5 });
          program.killGroup('SIGKILL');
          await program.ended;
        }
        await waitFor(
          'nothing writes any more',
          async () => !(await home.processes()).some(({ command }) => command.includes('rsync')),
        );
        if (existsSync(join(dataDir, 'global/pg_control'))) return; // it was faster than the kill
        const again = await runPgcellar(all, { home });
        expect(again.exitCode).toBe(1);
        expect(again.stderr).toContain(`the destination ${dataDir} is not empty`);
        expect(again.stderr).toContain(`HINT: an earlier restore to it did not finish: remove its files in ${dataDir}`);
        await rm(dataDir, { recursive: true });
        await rm(fast, { recursive: true, force: true });
        await runWell(
          all.filter((word) => word !== '--bwlimit' && word !== '2000'),
          { home },
        );
        expect(existsSync(join(dataDir, 'global/pg_control'))).toBe(true);
      });

      test('while it has something staged leaves that to the next restore, which removes it', async () => {
        const { home, packed } = story;
        const { dataDir, words } = await newPlace();
        const staging = join(folder.path, 'staging');
        await mkdir(staging);
        const all = [...words, '--staging-path', staging, '--remote-ssh-command', sshd.sshCommand, 'main', packed, dataDir];
        {
          await using program = await spawnPgcellar([...all, '--bwlimit', '2000'], { home });
          await waitFor('it stages', async () => (await readdir(staging)).length > 0, { everyMs: 5 });
          program.killGroup('SIGKILL');
          await program.ended;
        }
        expect(await readdir(staging)).toHaveLength(1);
        await runWell(all, { home });
        expect(await readdir(staging)).toEqual([]);
      });
    });

    test('a delta restore needs a plain backup', async () => {
      const { home, packed } = story;
      const { dataDir, words } = await newPlace();
      const result = await runPgcellar([...words, '--delta-restore', 'main', packed, dataDir], { home });
      expect(result).toMatchObject({ exitCode: 1 });
      expect(result.stderr).toContain('a delta restore needs a plain backup');
    });
  },
  [18],
);
