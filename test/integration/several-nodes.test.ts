// A primary and its standby behind one connection string, and poolers before them: a backup is of one server, in one session.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireSession } from '../../src/postgres/require-session.ts';
import { ServerNodes } from '../../src/postgres/server-nodes.ts';
import { requirePostgres } from '../helpers/installations.ts';
import { newestRecord } from '../helpers/newest-record.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { programPath, runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startAddress } from '../helpers/start-address.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startPooler } from '../helpers/start-pooler.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startStandby } from '../helpers/start-standby.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const opened = new Opened();
let primary: PostgresServer;
let standby: PostgresServer;
let home: TestHome;

beforeAll(async () => {
  primary = await opened.add(startCluster({ major: 18, settings: { archive_mode: 'on', archive_command: 'true' } }));
  standby = await opened.add(startStandby(primary));
  home = await opened.add(createTestHome());
  await configure();
  await runWell(['receive-wal', '--create-slot', 'main'], { home });
  await startReceiver(home, primary);
});
afterAll(async () => opened.close());

/** Both nodes, the standby first. */
const bothAs = (user: string, more = ''): string =>
  `host=127.0.0.1,127.0.0.1 port=${String(standby.port)},${String(primary.port)} user=${user} dbname=postgres ${more}`.trim();

async function configure(more: IniSection = {}): Promise<void> {
  const options = {
    conninfo: bothAs('barman', 'target_session_attrs=read-write'),
    streaming_conninfo: bothAs('streaming_barman').replace(' dbname=postgres', ''),
    immediate_checkpoint: true,
    ...more,
  };
  await home.writeServer('main', streamingServer(primary, options));
}

test('the slot is made where queries go, though the other string names the standby first', async () => {
  const slots = "SELECT string_agg(slot_name, ' ') FROM pg_replication_slots WHERE slot_name = 'barman'";
  expect([await primary.value(slots), await standby.value(slots)]).toEqual(['barman', 'null']);
});

test('switch-wal, status and replication-status are of the node that queries go to', async () => {
  const switched = await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  expect(switched).toMatch(/The WAL file \w+ has been closed on server 'main'/);
  expect(await runWell(['status', 'main'], { home })).toMatch(/Cluster state\s*: in production/);
  expect(await runWell(['replication-status', 'main'], { home })).toMatch(/Current LSN on master/);
});

test('check sees the failing archive_command of the primary, though the standby is the first host', async () => {
  await configure({ archiver: true, conninfo: bothAs('barman', 'target_session_attrs=primary') });
  await primary.query("ALTER SYSTEM SET archive_command = 'false'");
  await primary.query("SELECT pg_reload_conf(), pg_logical_emit_message(true, 'test', ''), pg_switch_wal()");
  await waitFor(
    'the archiver has failed',
    async () => (await primary.value('SELECT failed_count > 0 FROM pg_stat_archiver')) === 'true',
  );
  const { stdout } = await runPgcellar(['check', 'main'], { home });
  await primary.query('ALTER SYSTEM RESET archive_command');
  await primary.query('SELECT pg_reload_conf()');
  await configure();
  expect(stdout).toMatch(/continuous archiving: FAILED/);
});

test('check takes a system identifier that a role may not read for unknown, as Barman does when neither may', async () => {
  await primary.query('REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC');
  await primary.query("CREATE ROLE asks LOGIN IN ROLE pg_monitor, pg_checkpoint PASSWORD 'barman'");
  await waitFor('the standby has the role', async () => {
    return (await standby.query("SELECT 1 FROM pg_roles WHERE rolname = 'asks'")).length > 0;
  });
  const name = 'Primary and standby have same system ID';
  const said = (text: string): string | undefined =>
    text
      .split('\n')
      .find((line) => line.includes(name))
      ?.trim();
  for (const [own, other] of [
    ['asks', 'asks'],
    ['asks', 'barman'],
    ['barman', 'asks'],
  ] as const) {
    await configure({ conninfo: standby.conninfo({ user: own }), primary_conninfo: primary.conninfo({ user: other }) });
    const ours = await runPgcellar(['check', 'main'], { home });
    const which = other === 'asks' ? 'primary_conninfo' : 'conninfo';
    const options = own === other ? 'conninfo and primary_conninfo' : which;
    expect(said(ours.stdout)).toBe(`${name}: OK (unknown: the role of ${options} may not call pg_control_system())`);
    const asBarman = await runPgcellar(['check', 'main'], { home, as: 'barman' });
    expect(said(asBarman.stdout)).toBe(`${name}: OK`);
    if (own === other) expect(said((await runOracle(['check', 'main'], { home })).stdout)).toBe(`${name}: OK`);
  }
  await configure();
  await primary.query('GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC');
  await primary.query('DROP ROLE asks');
});

test('a backup is of the node that queries go to, and so is each line of check', async () => {
  const before = await standby.log();
  await runWell(['backup', 'main'], { home });
  const record = await newestRecord(home);
  const [begin, end] = ['begin_xlog', 'end_xlog'].map((key) => new RegExp(`^${key}=(.*)$`, 'm').exec(record)?.[1] ?? '');
  expect(record).not.toContain('status=FAILED');
  expect(Number(`0x${(end ?? '').replace('/', '')}`)).toBeGreaterThan(Number(`0x${(begin ?? '').replace('/', '')}`));
  expect(record).toContain('BACKUP FROM: primary');
  expect((await standby.log()).slice(before.length)).not.toMatch(/BASE_BACKUP|barman_streaming_backup/);
});

test.each(['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby'])(
  'with target_session_attrs=%s, in both orders, we are where psql is',
  async (wanted) => {
    const conninfo = bothAs('barman', `target_session_attrs=${wanted}`);
    const ports = `${String(standby.port)},${String(primary.port)}`;
    for (const text of [conninfo, conninfo.replace(ports, ports.split(',').toReversed().join(','))]) {
      const nodes = new ServerNodes({ conninfo: text, streamingConninfo: bothAs('streaming_barman') }, { HOME: '/none' });
      await using connection = await nodes.queries();
      await using stream = await nodes.replication();
      const [row] = await connection.query('SHOW port');
      const psql = join(requirePostgres(18).binDir, 'psql');
      const { stdout } = await runProgram([psql, '-XAtc', 'SHOW port', '-d', text], { env: { PATH: '/usr/bin:/bin' } });
      expect(row?.['port']).toBe(stdout.trim());
      expect(stream.node.entry.port).toBe(connection.node.entry.port);
      expect((await nodes.program('x')).connection).toContain(`port=${stdout.trim()} `);
      await nodes.requireOneServer(connection);
    }
  },
);

test.skipIf(process.getuid?.() !== 0)(
  'a name with several addresses: the one that answers serves the whole backup',
  async () => {
    await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    await home.writeFile('hosts', '::1 two.test\n127.0.0.2 two.test\n127.0.0.1 two.test\n');
    const at = (user: string) => `host=two.test port=${String(primary.port)} user=${user} dbname=postgres`;
    await configure({ conninfo: at('barman'), streaming_conninfo: at('streaming_barman') });
    const script = 'mount --bind "$0" /etc/hosts && exec "$@"';
    const words = [await programPath(home), '-c', home.configFile, 'backup', 'main'];
    const { exitCode, stdout, stderr } = await runProgram(
      ['unshare', '--mount', 'sh', '-c', script, join(home.folder, 'hosts'), ...words],
      { env: home.env(), cwd: home.folder },
    );
    await configure();
    expect(exitCode, `${stdout}${stderr}`).toBe(0);
    expect(stdout).toContain('Backup completed');
  },
);

test('where no host will do, each is named with its reason; prefer-standby takes what there is', async () => {
  const two = bothAs('barman').replace(String(standby.port), String(primary.port));
  const open = async (wanted: string) =>
    await new ServerNodes({ conninfo: `${two} target_session_attrs=${wanted}`, streamingConninfo: undefined }, {}).queries();
  const name = `127.0.0.1 port ${String(primary.port)}: the server is not in hot standby mode`;
  await expect(open('standby')).rejects.toThrow(`${name}; ${name}`);
  await using connection = await open('prefer-standby');
  expect(connection.node.entry.port).toBe(primary.port);
});

test('load_balance_hosts=random comes to both in the end', async () => {
  const seen = new Set<number>();
  for (let tries = 0; seen.size < 2 && tries < 100; tries += 1) {
    const strings = { conninfo: bothAs('barman', 'load_balance_hosts=random'), streamingConninfo: undefined };
    await using connection = await new ServerNodes(strings, {}).queries();
    seen.add(connection.node.entry.port);
  }
  expect(seen.size).toBe(2);
});

test('strings that reach two nodes of a cluster, or two clusters, are refused before the copy', async () => {
  await using other = await startCluster({ major: 18, uniqueSystemId: true });
  const before = await records();
  const strings = { conninfo: primary.conninfo({ user: 'barman' }), streaming_archiver: 'off', archiver: 'on' };
  for (const [stream, reason] of [
    [standby, 'another node of that cluster'],
    [other, 'and streaming_conninfo the cluster'],
  ] as const) {
    const conninfo = stream.conninfo({ user: 'streaming_barman' });
    const nodes = new ServerNodes({ conninfo: strings.conninfo, streamingConninfo: conninfo }, {});
    await using connection = await nodes.queries();
    await expect(nodes.requireOneServer(connection)).rejects.toThrow(reason);
    await expect(nodes.requireOneServer(connection)).rejects.toThrow(`127.0.0.1 port ${String(stream.port)}`);
  }
  await configure({ conninfo: strings.conninfo, streaming_conninfo: standby.conninfo({ user: 'streaming_barman' }) });
  const { exitCode, stderr, stdout } = await runPgcellar(['backup', 'main'], { home });
  const asked = async (as: 'pgcellar' | 'barman') => (await runPgcellar(['check', 'main'], { home, as })).stdout;
  for (const as of ['pgcellar', 'barman'] as const) {
    expect(await asked(as)).toMatch(
      /^\tconnection strings: FAILED \(conninfo reaches a primary on .*, and streaming_conninfo another node of that cluster on .*\)$/m,
    );
  }
  await configure({
    conninfo: strings.conninfo,
    streaming_conninfo: standby.conninfo({ user: 'streaming_barman' }),
    backup_method: 'local-rsync',
  });
  expect(await asked('pgcellar')).toMatch(/^\tsystemid coherence: OK \(conninfo reaches a primary on .* another node/m);
  expect(await asked('pgcellar')).not.toContain('connection strings');
  expect(await asked('barman')).toMatch(/^\tsystemid coherence: OK$/m);
  await configure();
  expect(await asked('pgcellar')).not.toMatch(/another node|connection strings/);
  expect(`${stdout}${stderr}`).toContain('another node of that cluster');
  expect([exitCode, await records()]).toEqual([1, before]);
});

describe('a backup during which another node comes to answer at the address', () => {
  test.each([
    {
      backup_method: 'postgres',
      node: 'a standby',
      reason: 'conninfo reached a primary when the backup began, and a standby when it ended',
    },
    { backup_method: 'postgres', node: 'another cluster', reason: /ends at 0\/\w+, before it begins at 0\/\w+/ },
    { backup_method: 'local-rsync', node: 'a standby', reason: 'ERROR: ' }, // its session is gone
  ])('by $backup_method is FAILED: $node', async ({ backup_method, node, reason }) => {
    await using other = node === 'a standby' ? undefined : await startCluster({ major: 18, uniqueSystemId: true });
    await using address = await startAddress(primary.port);
    const conninfo = `host=127.0.0.1 port=${String(address.port)} user=barman dbname=postgres`;
    await configure({ conninfo, streaming_conninfo: primary.conninfo({ user: 'streaming_barman' }), backup_method });
    await primary.query('SELECT pg_switch_wal()'); // the other cluster is behind
    await using backup = await spawnPgcellar(['backup', '--bwlimit', '8000', 'main'], { home });
    const isCopying = (): boolean => backup.stdout().includes('Starting backup copy');
    await waitFor('it copies', isCopying, { explain: () => backup.stdout() + backup.stderr() });
    address.moveTo((other ?? standby).port);
    const { exitCode, stdout, stderr } = await backup.ended;
    await configure();
    expect(stdout + stderr).toMatch(reason);
    expect(exitCode).toBe(1);
    expect(await newestRecord(home)).toMatch(/^status=FAILED$/m);
  });
});

test('a receiver across two clusters is refused, and across two nodes of a cluster it is told', async () => {
  await using other = await startCluster({ major: 18, uniqueSystemId: true });
  const conninfo = primary.conninfo({ user: 'barman' });
  const received = async (more: IniSection) => {
    await configure({ conninfo, slot_name: 'none', create_slot: 'manual', ...more });
    await runPgcellar(['terminate-process', 'main', 'receive-wal'], { home });
    const { exitCode, stdout, stderr } = await runPgcellar(['receive-wal', 'main'], { home });
    return [exitCode, `${stdout}${stderr}`] as const;
  };
  const [refused, reason] = await received({ streaming_conninfo: other.conninfo({ user: 'streaming_barman' }) });
  expect(reason).toMatch(/conninfo reaches the cluster \d+ on .* and streaming_conninfo the cluster \d+ on .*/);
  const [withWal, ofWal] = await received({
    wal_streaming_conninfo: other.conninfo({ user: 'streaming_barman' }),
    wal_conninfo: conninfo,
  });
  expect(ofWal).toMatch(/wal_conninfo reaches the cluster \d+ on .* and wal_streaming_conninfo the cluster \d+ on .*/);
  const [, told] = await received({ streaming_conninfo: standby.conninfo({ user: 'streaming_barman' }) });
  expect(told).toContain(
    `conninfo reaches a primary on 127.0.0.1 port ${String(primary.port)}, and streaming_conninfo another node of that cluster on 127.0.0.1 port ${String(standby.port)}: WAL comes from the second`,
  );
  expect([refused, withWal]).toEqual([1, 1]);
  await configure();
  await startReceiver(home, primary);
});

test.each(['transaction', 'statement'] as const)(
  'a backup through a pooler of each %s is refused before the copy',
  async (mode) => {
    await using pooler = await startPooler(primary, { mode });
    const before = await records();
    await configure({ conninfo: `host=127.0.0.1 port=${String(pooler.port)} user=barman dbname=postgres` });
    const { exitCode, stdout, stderr } = await runPgcellar(['backup', 'main'], { home });
    await configure();
    expect(`${stdout}${stderr}`).toContain(`pool_mode = ${mode}`);
    expect([exitCode, await records()]).toEqual([1, before]);
  },
);

test.each([20, 1])('a backup through a pooler of sessions works, with %i connections', async (poolSize) => {
  await using pooler = await startPooler(primary, { mode: 'session', poolSize });
  const text = `host=127.0.0.1 port=${String(pooler.port)} user=barman dbname=postgres`;
  const nodes = new ServerNodes({ conninfo: text, streamingConninfo: primary.conninfo({ user: 'streaming_barman' }) }, {});
  await using connection = await nodes.queries();
  await requireSession(connection, async (signal) => await nodes.queries(signal));
  await nodes.requireOneServer(connection);
});

async function records(): Promise<readonly string[]> {
  return (await readdir(home.server('main', 'meta'))).toSorted();
}
