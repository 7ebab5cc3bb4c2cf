// Backups that are stopped, cut off, starved or killed: the record says FAILED and why, no process stays, the server is left alone, and
// the next run clears up without touching one that still runs.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, type RunningProgram, startProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { canMount, mountSmallFileSystem } from '../helpers/small-file-system.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { canSplitNetwork, startFarNetwork } from '../helpers/start-far-network.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const mayMount = await canMount();
const mayCut = await canSplitNetwork();

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;

    beforeAll(async () => {
      cluster = await opened.add(startCluster({ major }));
      home = await opened.add(createTestHome());
      await configure();
      await startReceiver(home, cluster);
      await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    });
    afterAll(async () => opened.close());

    const configure = async (options: IniSection = {}): Promise<void> => {
      await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true, ...options }));
    };
    /** One that copies until something happens: 23 MB at 1 MB a second. */
    const beginSlowly = async (...words: string[]): Promise<RunningProgram> => {
      const backup = await spawnPgcellar(['backup', '--bwlimit', '1000', ...words, 'main'], { home });
      await waitFor('pg_basebackup copies', async () => (await copying()).length > 0, {
        explain: () => backup.stdout() + backup.stderr(),
      });
      return backup;
    };
    const copying = async (): Promise<readonly { pid: number }[]> =>
      await cluster.query<{ pid: number }>("SELECT pid FROM pg_stat_progress_basebackup WHERE phase LIKE 'streaming%'");
    const newest = async (): Promise<string> =>
      (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n')[0] ?? '';
    const field = async (key: string): Promise<string | undefined> => {
      const record = await readFile(home.server('main', 'meta', `${await newest()}-backup.info`), 'utf8');
      return new RegExp(`^${key}=(.*)$`, 'm').exec(record)?.[1];
    };
    const copierOf = async (): Promise<number> => {
      const processes = await home.processes();
      return (
        processes.find(({ command }) => command.includes('pg_basebackup') && !command.includes('backup --bwlimit'))?.pid ?? 0
      );
    };
    const expectFailed = async ({ exitCode, stderr }: ProgramResult, reason: RegExp): Promise<void> => {
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^ERROR: /m);
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(await field('status')).toBe('FAILED');
      expect(await field('error')).toMatch(reason);
      await expectNothingRuns();
    };
    const expectNothingRuns = async (): Promise<void> => {
      expect((await home.processes()).filter(({ command }) => command.includes('pg_basebackup'))).toEqual([]);
      await waitFor('the server sends no backup any more', async () => {
        return (await cluster.value('SELECT count(*) FROM pg_stat_progress_basebackup')) === '0';
      });
    };

    test.each(['SIGINT', 'SIGTERM'] as const)('%s ends a backup as a failure', async (signal) => {
      await using backup = await beginSlowly();
      backup.kill(signal);
      await expectFailed(await backup.ended, /^failure copying files \(interrupted by a signal\)$/);
    });

    test('SIGINT does so while the server hangs', async () => {
      await using backup = await beginSlowly();
      await cluster.freeze();
      backup.kill('SIGINT');
      const result = await backup.ended;
      await cluster.thaw();
      await expectFailed(result, /^failure copying files \(interrupted by a signal\)$/);
    });

    test('a signal ends the pause before the next attempt', async () => {
      await using backup = await beginSlowly('--retry-times', '3', '--retry-sleep', '600');
      process.kill(await copierOf(), 'SIGKILL');
      await waitFor('the next attempt is announced', () => backup.stderr().includes('3 attempts left'));
      backup.kill('SIGINT');
      await expectFailed(await backup.ended, /^failure copying files \(interrupted by a signal\)$/);
    });

    test('a killed pg_basebackup fails the backup, and is tried again when that is asked for', async () => {
      await using once = await beginSlowly();
      process.kill(await copierOf(), 'SIGKILL');
      await expectFailed(await once.ended, /^failure copying files \(pg_basebackup failed \(signal SIGKILL\)/);
      await using twice = await beginSlowly('--retry-times', '1', '--retry-sleep', '0');
      process.kill(await copierOf(), 'SIGKILL');
      await waitFor('the second attempt copies', () => twice.stderr().includes('1 attempts left'));
      const second = await waitFor('the second attempt copies', async () =>
        (await copying()).length > 0 ? await copierOf() : 0,
      );
      process.kill(second, 'SIGKILL');
      await expectFailed(await twice.ended, /signal SIGKILL/);
    });

    test('a dropped connection of the copy fails the backup', async () => {
      await using backup = await beginSlowly();
      const [{ pid } = { pid: 0 }] = await copying();
      await cluster.query('SELECT pg_terminate_backend($1)', { parameters: [pid] });
      await expectFailed(await backup.ended, /^failure copying files \(pg_basebackup failed \(exit code 1\)/);
    });

    test('a dropped connection of the queries does not: it is opened again', async () => {
      await using backup = await spawnPgcellar(['backup', '--bwlimit', '15000', 'main'], { home });
      await waitFor('pg_basebackup copies', async () => (await copying()).length > 0);
      await cluster.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'barman'");
      const { exitCode, stderr } = await backup.ended;
      expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
    });

    test('a backup that runs is left alone by cron, and by another backup', async () => {
      await using backup = await beginSlowly();
      await runWell(['cron'], { home });
      expect(await field('status')).toBe('STARTED');
      const other = await spawnPgcellar(['backup', 'main'], { home });
      expect((await other.ended).stderr).toMatch(/Another backup process is running/);
      expect(await field('status')).toBe('STARTED');
      backup.kill('SIGINT');
      await backup.ended;
    });

    test.skipIf(!mayMount)('so is one that runs where its process cannot be seen, as in another container', async () => {
      const aside = ['unshare', '--pid', '--fork', '--kill-child=SIGINT', await programPath(home), '-c', home.configFile];
      await using backup = startProgram([...aside, 'backup', '--bwlimit', '4000', 'main'], { env: home.env() });
      await waitFor('pg_basebackup copies', async () => (await copying()).length > 0, { explain: () => backup.stderr() });
      const id = await newest();
      await runWell(['cron'], { home });
      for (const words of [
        ['backup', 'main'],
        ['delete', 'main', id],
      ]) {
        await using other = await spawnPgcellar(words, { home });
        expect(await other.ended).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/is running/) as string });
      }
      expect(await field('status')).toBe('STARTED');
      expect(await backup.ended).toMatchObject({ exitCode: 0 });
    });

    test('a server that cannot be backed up keeps no other from it, and the exit code tells of the worst', async () => {
      await home.writeServer('aside', { ...streamingServer(cluster), conninfo: 'host=127.0.0.1 port=1 user=barman' });
      const before = await newest();
      await using backup = await spawnPgcellar(['backup', 'all'], { home });
      const { exitCode, stderr } = await backup.ended;
      await home.removeServer('aside');
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^ERROR: Impossible to start the backup of server 'aside'/m);
      expect(await newest()).not.toBe(before);
      expect(await field('status')).toMatch(/^(DONE|WAITING_FOR_WALS)$/);
    });

    test('a wait for its WAL that takes too long ends with an error, and the backup is done later', async () => {
      // nothing is archived as long as somebody has the lock
      const lock = join(home.path, '.main-archive-wal.lock');
      const holder = startProgram(['flock', lock, 'sh', '-c', 'echo held; exec sleep 60'], { env: home.env() });
      await waitFor('the lock is held', () => holder.stdout().includes('held'));
      const words = ['backup', '--wait', '--wait-timeout', '1', '--name', 'waiting', 'main'];
      await using backup = await spawnPgcellar(words, { home });
      const { exitCode, stdout, stderr } = await backup.ended;
      await holder[Symbol.asyncDispose]();
      expect(exitCode).toBe(1);
      expect(stdout).toMatch(/^Waiting for the WAL file \w{24} from server 'main' \(max: 1 seconds\)$/m);
      expect(stderr).toMatch(/^ERROR: The WAL file \w{24} has not been received in 1 seconds$/m);
      expect(await field('status')).toBe('WAITING_FOR_WALS');
      expect(await field('error')).toBe('None');
      await waitFor('the backup is done', async () => {
        await runWell(['archive-wal', 'main'], { home });
        await runPgcellar(['check-backup', 'main', 'waiting'], { home });
        return (await field('status')) === 'DONE';
      });
    });

    describe('a full disk', () => {
      test.skipIf(!mayMount)('fails the backup with the reason', async () => {
        await using small = await mountSmallFileSystem({ sizeMib: 12 });
        await configure({ basebackups_directory: small.path });
        await using backup = await spawnPgcellar(['backup', 'main'], { home });
        await expectFailed(await backup.ended, /^failure copying files \(pg_basebackup failed .*No space left on device/);
        await configure();
      });
    });

    describe('a network that is cut', () => {
      const strike = async (options: IniSection, begun: () => Promise<unknown>): Promise<ProgramResult> => {
        await using network = await startFarNetwork(cluster);
        const where = `${network.address} dbname=postgres keepalives_idle=1 keepalives_interval=1 keepalives_count=2`;
        const conninfos = { conninfo: `${where} user=barman`, streaming_conninfo: `${where} user=streaming_barman` };
        await configure({ ...conninfos, ...options });
        const argv = [await programPath(home), '-c', home.configFile, 'backup', '--bwlimit', '1000', 'main'];
        await using backup = startProgram(network.inside(argv), { env: home.env() });
        await waitFor('it copies', begun, { explain: () => backup.stdout() + backup.stderr() });
        await network.cut();
        const result = await backup.ended;
        await configure();
        return result;
      };

      test.skipIf(!mayCut)('fails a backup by pg_basebackup', async () => {
        const result = await strike({}, async () => (await copying()).length > 0);
        expect(result.exitCode).toBe(1);
        expect(await field('status')).toBe('FAILED');
        expect(await field('error')).toMatch(/^failure copying files \(pg_basebackup failed .*timed out/);
        await expectNothingRuns();
      });

      test.skipIf(!mayCut)('fails a backup by rsync, whose session is lost', async () => {
        const options = { backup_method: 'local-rsync', backup_options: 'concurrent_backup', keepalive_interval: 0 };
        const result = await strike(options, async () => (await field('status')) === 'STARTED');
        expect(result.exitCode).toBe(1);
        expect(await field('status')).toBe('FAILED');
        expect(await field('error')).toMatch(/^failure copying files \(cannot connect to PostgreSQL .*ETIMEDOUT\)$/);
        expect((await home.processes()).filter(({ command }) => command.includes('rsync'))).toEqual([]);
      });
    });

    test('a server that vanishes fails the backup, and the next one works when it is back', async () => {
      await using backup = await beginSlowly();
      await cluster.kill();
      const { exitCode, stderr } = await backup.ended;
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^ERROR: /m);
      expect(await field('error')).toMatch(/^failure copying files \(pg_basebackup failed/);
      await cluster.start();
      await expectNothingRuns();
    });
  },
  [17],
);
