// The checks beside the real Barman on the same home: the same lines in the same order, with the same outcome.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { CheckResult, CheckTools } from '../../src/check/check.ts';
import { runChecks } from '../../src/check/run-checks.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle, spawnOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { startWriteLoad } from '../helpers/write-load.ts';
import { serverFrom, toolsWith } from '../unit/check/check-setup.ts';

interface Line {
  readonly name: string;
  readonly status: string;
}

/** An empty `compression`: the word `none` is new in releases after the oracle's. */
async function homeFor(cluster: PostgresServer, more: IniSection = {}): Promise<TestHome> {
  const server = streamingServer(cluster, { immediate_checkpoint: true, ...more });
  return await createTestHome({ global: { compression: '' }, servers: { main: server } });
}

async function ourResults(home: TestHome, tools: Partial<CheckTools> = {}): Promise<readonly CheckResult[]> {
  const server = serverFrom(home.configFile, 'main', environmentOf(home));
  const archivePending = async (): Promise<boolean> => (await runOracle(['archive-wal', 'main'], { home })).exitCode === 0;
  return (await runChecks({ server, tools: toolsWith({ archivePending, ...tools }) })).results;
}

function environmentOf(home: TestHome): Record<string, string | undefined> {
  return { ...home.env() };
}

async function ourLines(home: TestHome): Promise<readonly Line[]> {
  return (await ourResults(home)).map(({ name, isOk }) => ({ name, status: isOk ? 'OK' : 'FAILED' }));
}

async function barmanLines(home: TestHome): Promise<readonly Line[]> {
  const { stdout } = await runOracle(['check', 'main'], { home });
  return [...stdout.matchAll(/^\t([^\t].*?): (OK|FAILED)/gm)].map(([, name = '', status = '']) => ({ name, status }));
}

function failures(lines: readonly Line[]): readonly string[] {
  return lines.filter(({ status }) => status === 'FAILED').map(({ name }) => name);
}

/** Both agree; ours are given back. */
async function agreedLines(home: TestHome): Promise<readonly Line[]> {
  const barman = await barmanLines(home);
  const ours = await ourLines(home);
  expect(barman.length).toBeGreaterThan(10);
  expect(ours).toEqual(barman);
  return ours;
}

/** Starts the oracle's receiver and archives a first segment. */
async function shipWal(home: TestHome, cluster: PostgresServer): Promise<void> {
  await runOracle(['receive-wal', '--create-slot', 'main'], { home });
  spawnOracle(['receive-wal', 'main'], { home });
  await waitFor('somebody streams from the slot', async () => {
    return (await cluster.value('SELECT count(*) FROM pg_replication_slots WHERE active')) === '1';
  });
  await using load = await startWriteLoad(cluster); // the archiver holds the last segment back until the next one begins
  expect((await runOracle(['switch-wal', '--force', '--archive', 'main'], { home })).exitCode).toBe(0);
  await load.stop();
}

describeEachPostgres(
  (major) => {
    test('a healthy server, before and after its first backup', async () => {
      await using cluster = await startCluster({ major });
      await using home = await homeFor(cluster);
      await shipWal(home, cluster);
      expect(failures(await agreedLines(home))).toEqual([]);
      await using load = await startWriteLoad(cluster);
      expect(await runOracle(['backup', '--wait', 'main'], { home })).toMatchObject({ exitCode: 0 });
      await runOracle(['switch-wal', '--force', '--archive', 'main'], { home });
      await load.stop();
      expect(failures(await agreedLines(home))).toEqual([]);
      const results = await ourResults(home);
      const bytes = (name: string): string => String(results.find((result) => result.name === name)?.perfdata);
      const { stdout } = await runOracle(['check', '--nagios', 'main'], { home });
      expect(stdout).toContain(`|main=${bytes('backup minimum size')}B main_wals=${bytes('wal size')}B`);
      expect(Number(bytes('wal size'))).toBeGreaterThan(0);
      expect((await barmanHints(home)).get('backup maximum age')).toBe('no last_backup_maximum_age provided');
    });

    test('a wrong slot, files where no archiver looks, refused files', async () => {
      await using cluster = await startCluster({ major });
      await using home = await homeFor(cluster);
      await shipWal(home, cluster);
      await home.writeServer('main', streamingServer(cluster, { slot_name: 'wrong' }));
      expect(failures(await agreedLines(home))).toEqual(['replication slot']);
      await home.writeServer('main', streamingServer(cluster, { last_backup_maximum_age: '1 day', minimum_redundancy: 2 }));
      for (const folder of ['incoming', 'errors']) await mkdir(home.server('main', folder), { recursive: true });
      await writeFile(home.server('main', 'incoming', '0000000100000000000000A0'), '');
      await writeFile(home.server('main', 'errors', '0000000100000000000000A0.20260101T000000.unknown'), '');
      const expected = ['empty incoming directory', 'backup maximum age', 'minimum redundancy requirements', 'archiver errors'];
      expect(failures(await agreedLines(home))).toEqual(expected);
    });

    test('a stopped server', async () => {
      await using cluster = await startCluster({ major });
      await using home = await homeFor(cluster);
      await shipWal(home, cluster);
      await cluster.stop();
      await waitFor('the receiver ends', async () => (await home.processes()).length === 0);
      const expected = [
        'PostgreSQL',
        'replication slot',
        'pg_basebackup compatible',
        'pg_receivexlog compatible',
        'receive-wal running',
      ];
      expect(failures(await agreedLines(home))).toEqual(expected);
      await home.writeServer('main', streamingServer(cluster, { archiver: 'on' }));
      expect(failures(await agreedLines(home))).toEqual(expected);
    });

    test('file archiving that is off, that has no command, and that fails', async () => {
      await using cluster = await startCluster({ major });
      await using home = await homeFor(cluster, { archiver: 'on' });
      await shipWal(home, cluster);
      expect(failures(await agreedLines(home))).toEqual(['archive_mode', 'archive_command']);
      await cluster.query("ALTER SYSTEM SET archive_mode = 'on'");
      await cluster.restart();
      await waitFor('the receiver ends', async () => (await home.processes()).length === 0);
      const receiver = ['replication slot', 'receive-wal running'];
      expect(failures(await agreedLines(home))).toEqual([...receiver, 'archive_command']);
      await archiveWith(cluster, '/bin/false', 'failed_count');
      // a command that never worked: Barman leaves the line out
      expect(failures(await ourLines(home))).toEqual([...receiver, 'continuous archiving']);
      await archiveWith(cluster, '/bin/true', 'archived_count');
      expect(failures(await agreedLines(home))).toEqual(receiver);
      await archiveWith(cluster, '/bin/false', 'failed_count');
      expect(failures(await agreedLines(home))).toEqual([...receiver, 'continuous archiving']);
    });

    test('roles that may not do enough, and a server without a slot', async () => {
      await using cluster = await startCluster({ major });
      await using home = await homeFor(cluster);
      await shipWal(home, cluster);
      await cluster.query('CREATE ROLE plain LOGIN');
      const plain = cluster.conninfo({ user: 'plain' });
      await home.writeServer('main', streamingServer(cluster, { conninfo: plain }));
      expect(failures(await agreedLines(home))).toEqual(['no access to backup functions']);
      await home.writeServer('main', streamingServer(cluster, { streaming_conninfo: plain }));
      const expected = ['PostgreSQL streaming', 'pg_basebackup compatible', 'pg_receivexlog compatible'];
      expect(failures(await agreedLines(home))).toEqual(expected);
      await home.writeServer('main', streamingServer(cluster, { conninfo: cluster.conninfo({ user: 'nobody' }) }));
      expect(failures(await agreedLines(home))).toEqual(['PostgreSQL', 'replication slot']);
      const other = { wal_conninfo: plain, wal_streaming_conninfo: cluster.conninfo({ user: 'streaming_barman' }) };
      await home.writeServer('main', streamingServer(cluster, other));
      expect(failures(await agreedLines(home))).toEqual(['no access to monitoring functions']);
    });

    test('another cluster behind the same name', async () => {
      await using cluster = await startCluster({ major });
      await using other = await startCluster({ major, uniqueSystemId: true });
      await using home = await homeFor(cluster);
      await shipWal(home, cluster);
      const streaming = other.conninfo({ user: 'streaming_barman' });
      await home.writeServer('main', streamingServer(cluster, { streaming_conninfo: streaming }));
      expect(failures(await agreedLines(home))).toEqual(['systemid coherence']);
      await home.writeServer('main', streamingServer(cluster));
      await writeFile(home.server('main', 'identity.json'), JSON.stringify({ systemid: '1', version: String(major) }));
      expect(failures(await agreedLines(home))).toEqual(['systemid coherence']);
    });

    test('a server that shipped nothing yet: a segment is closed and archived', async () => {
      await using cluster = await startCluster({ major });
      await using home = await homeFor(cluster);
      await runOracle(['receive-wal', '--create-slot', 'main'], { home });
      expect(failures(await ourLines(home))).toEqual(['WAL archive', 'replication slot', 'receive-wal running']);
      spawnOracle(['receive-wal', 'main'], { home });
      await waitFor('somebody streams from the slot', async () => {
        return (await cluster.value('SELECT count(*) FROM pg_replication_slots WHERE active')) === '1';
      });
      const { exitCode, stdout } = await runPgcellar(['check', 'main'], { home });
      expect({ exitCode, lines: stdout.split('\n').slice(0, 2) }).toEqual({
        exitCode: 0,
        lines: ['Server main:', '\tPostgreSQL: OK'],
      });
      expect(await readFile(home.server('main', 'wals', 'main-xlog.db'), 'utf8')).not.toBe('');
      expect(await readdir(join(home.server('main'), 'wals'))).toContain('0000000100000000');
    });

    test('a server that does not answer', async () => {
      await using cluster = await startCluster({ major });
      await using home = await homeFor(cluster);
      process.kill(cluster.pid, 'SIGSTOP');
      try {
        const results = await ourResults(home, { timeoutSeconds: 1 });
        expect(results).toMatchObject([{ name: 'check timeout', isOk: false, isCritical: true }]);
      } finally {
        process.kill(cluster.pid, 'SIGCONT');
      }
    });

    test('no connection stays open', async () => {
      await using cluster = await startCluster({ major });
      await using home = await homeFor(cluster);
      await ourLines(home);
      await waitFor('all are closed', async () => {
        return (await cluster.value("SELECT count(*) FROM pg_stat_activity WHERE usename LIKE '%barman'")) === '0';
      });
    });
  },
  [15, 18],
);

/** Sets `archive_command` and waits until the server used it on a segment. */
async function archiveWith(cluster: PostgresServer, command: string, counter: string): Promise<void> {
  await cluster.query(`ALTER SYSTEM SET archive_command = '${command}'`);
  cluster.reload();
  await waitFor('the setting is read', async () => (await cluster.value('SHOW archive_command')) === command);
  const count = async (): Promise<number> => Number(await cluster.value(`SELECT ${counter} FROM pg_stat_archiver`));
  const before = await count();
  await cluster.query("SELECT pg_logical_emit_message(true, 'test', '')");
  await cluster.query('SELECT pg_switch_wal()');
  await waitFor(`${command} ran`, async () => (await count()) > before);
}

async function barmanHints(home: TestHome): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await runOracle(['check', 'main'], { home });
  return new Map(
    [...stdout.matchAll(/^\t([^\t].*?): (?:OK|FAILED) \((.*)\)$/gm)].map(([, name = '', hint = '']) => [name, hint]),
  );
}
