// The receiver follows the primary of a cluster by itself: over a switchover, over a failover that takes WAL with it, and not where it must not.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedWals, namesIn } from '../helpers/archived-wals.ts';
import { newestRecord } from '../helpers/newest-record.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { isSlotActive, waitForReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { ClusterLoad, ThreeNodes } from '../helpers/three-nodes.ts';
import { waitFor } from '../helpers/wait-for.ts';

const major = 17;
const opened = new Opened();
let three: ThreeNodes;
let home: TestHome;

async function setUp(): Promise<void> {
  three = await opened.add(ThreeNodes.start({ major }));
  home = await opened.add(createTestHome());
  const { primary } = three;
  const strings = { conninfo: three.conninfo('barman'), streaming_conninfo: three.conninfo('streaming_barman') };
  await home.writeServer('main', streamingServer(primary, { ...strings, create_slot: 'manual', immediate_checkpoint: true }));
  await runWell(['receive-wal', '--create-slot', 'main'], { home });
  await runWell(['cron'], { home });
  await waitForReceiver(home, primary);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await runWell(['backup', '--wait', '--wait-timeout', '120', 'main'], { home });
}

beforeAll(setUp);
afterAll(async () => opened.close());

interface Answer {
  readonly nodes: readonly {
    readonly name: string;
    readonly role?: string;
    readonly is_streamed_from: boolean;
    readonly is_backed_up_from: boolean;
  }[];
  readonly plan: Readonly<Record<string, unknown>>;
  readonly switches: readonly {
    readonly fork_lsn: string;
    readonly held_lsn: string;
    readonly lost_bytes: number;
    readonly fetched_segments: number;
  }[];
}

/** The answer of show-cluster in JSON. */
async function cluster(...words: string[]): Promise<Answer> {
  const { stdout } = await runPgcellar(['-f', 'json', 'show-cluster', ...words, 'main'], { home });
  return (JSON.parse(stdout) as { main: Answer }).main;
}

async function untilFollowed(node: PostgresServer): Promise<void> {
  await runWell(['cron'], { home });
  await waitFor('the receiver streams from the new primary', async () => await isSlotActive(node), {
    timeoutMs: 60_000,
    explain: () => home.log(),
  });
}

/** Everything that the primary has by now comes back from the newest backup. */
async function expectAllRestorable(timeline: string): Promise<void> {
  const ids = "SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM told";
  const rows = await three.primary.value(ids);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  const data = `${home.folder}/restored-${timeline}`;
  await runWell(['restore', '--target-tli', timeline, 'main', 'latest', data], { home });
  await using restored = await startRestored({ dataDir: data, major, wait: 'promoted' });
  expect(await restored.value(ids)).toBe(rows);
  await promisify(execFile)('rm', ['-rf', data]);
}

test('show-cluster tells the nodes, the one that WAL comes from, and that the receiver stays with it', async () => {
  const { nodes, plan } = await cluster();
  expect(nodes.map(({ role }) => role)).toEqual(['primary', 'standby', 'standby']);
  expect(nodes.map((node) => node.is_streamed_from)).toEqual([true, false, false]);
  expect(plan).toMatchObject({ kind: 'stay', node: three.nameOf(three.primary), slot: 'keep', missing: [] });
});

test('after a switchover the receiver follows by itself, loses nothing, and leaves no slot behind', async () => {
  const old = three.primary;
  {
    await using load = await ClusterLoad.start(three);
    await three.switchover(three.standbys[0]!);
    await untilFollowed(three.primary);
    await load.untilMore();
  }
  const { plan } = await cluster();
  expect(plan).toMatchObject({ kind: 'stay', node: three.nameOf(three.primary) });
  await waitFor(
    'the slot of the old primary is dropped',
    async () => {
      return (await old.value('SELECT count(*) FROM pg_replication_slots')) === '0';
    },
    { timeoutMs: 60_000, explain: () => home.log() },
  );
  await waitFor('what came again was compared', async () => (await home.log()).includes('WAL is continuous over the switch'), {
    timeoutMs: 60_000,
    explain: () => home.log(),
  });
  await expectAllRestorable('2');
  expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
});

test('after a failover that takes WAL with it the loss is told to the byte, and the surviving timeline is whole', async () => {
  const old = three.primary;
  const [one, two] = three.standbys as [PostgresServer, PostgresServer];
  let held: string;
  {
    await using load = await ClusterLoad.start(three);
    for (const standby of [one, two]) await three.detach(standby);
    await load.untilMore(50);
    held = await old.value('SELECT pg_current_wal_flush_lsn()');
    await waitFor('we were sent what no standby has', async () => {
      const sent = `SELECT sent_lsn >= '${held}' FROM pg_stat_replication WHERE application_name = 'barman_receive_wal'`;
      return (await old.value(sent)) === 'true';
    });
    await new Promise((resolve) => setTimeout(resolve, 500)); // for it to be written
    await old.kill();
    await three.promote(await three.furthest());
    await untilFollowed(three.primary);
    await load.untilMore();
  }
  const { switches } = await cluster('--history');
  const last = switches.at(-1)!;
  expect(last).toMatchObject({ from: three.nameOf(old), to: three.nameOf(three.primary), old_timeline: 2, new_timeline: 3 });
  const [fork, end] = [last.fork_lsn, last.held_lsn];
  expect(await three.primary.value(`SELECT pg_wal_lsn_diff('${end}', '${fork}')`)).toBe(String(last.lost_bytes));
  expect(await three.primary.value(`SELECT '${end}'::pg_lsn >= '${held}'::pg_lsn`)).toBe('true');
  const checked = await runPgcellar(['check', 'main'], { home });
  expect(checked.stdout).toMatch(/cluster losses: FAILED \(in the switch from .* \d+ bytes of timeline 2, which was left at/);
  expect((await runPgcellar(['check', 'main'], { home, as: 'barman' })).stdout).toMatch(/^\tcluster losses: FAILED/m);
  await runWell(['show-cluster', '--acknowledge', 'main'], { home });
  await expectAllRestorable('3');
  const left = (await three.primary.value(`SELECT pg_walfile_name('${fork}')`)).replace(/^0{7}3/, '00000002');
  expect(await archivedWals(home)).toContain(`${left}.partial`); // what was acknowledged and lost is still there to be looked at
  const { stdout } = await runPgcellar(['check', 'main'], { home });
  expect(stdout.split('\n').filter((line) => line.includes('FAILED'))).toEqual([]);
  await three.rejoin(old);
});

test('a backup is taken from a standby when that is wanted, and fails with the reason when that is promoted meanwhile', async () => {
  const options = {
    conninfo: three.conninfo('barman'),
    streaming_conninfo: three.conninfo('streaming_barman'),
    immediate_checkpoint: true,
    backup_from: 'standby',
  };
  await home.writeServer('main', streamingServer(three.primary, options));
  const { nodes } = await cluster();
  const source = nodes.find((node) => node.is_backed_up_from)!;
  expect(source.role).toBe('standby');
  const taken = await runWell(['backup', '--wait', '--wait-timeout', '120', 'main'], { home });
  expect(taken).toContain(`is taken from ${source.name}, a standby`);
  expect(await newestRecord(home)).toContain('status=DONE');
  const slow = await spawnPgcellar(['backup', '--bwlimit', '1000', 'main'], { home });
  const busy = await waitFor('a standby sends its files', async () => {
    for (const node of three.standbys) {
      const sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'barman_streaming_backup'";
      if ((await node.value(sql)) !== '0') return node;
    }
    return undefined;
  });
  const old = three.primary;
  await old.kill();
  await three.promote(busy);
  const { exitCode } = await slow.ended;
  const record = await newestRecord(home);
  expect([exitCode, record]).toEqual([1, expect.stringContaining('status=FAILED')]);
  expect(record).toContain(`the node ${three.nameOf(busy)} was promoted while the backup ran`);
  await untilFollowed(three.primary);
  await three.rejoin(old);
});

/** Checksums of everything that was archived or received. */
async function sums(): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', [
    '-c',
    `cd ${home.server('main')} && find wals streaming incoming errors -type f ! -name '*-xlog.db' -exec sha256sum {} + | sort`,
  ]);
  return stdout;
}

test('each refusal is named, and leaves the archive as it is', async () => {
  await runWell(['terminate-process', 'main', 'receive-wal'], { home });
  await runWell(['archive-wal', 'main'], { home });
  const before = await sums();
  const refused = async (name: string): Promise<void> => {
    const { plan } = await cluster();
    expect(plan).toMatchObject({ kind: 'refuse', refusal: name });
    const { exitCode, stdout, stderr } = await runPgcellar(['receive-wal', 'main'], { home });
    expect([exitCode, `${stdout}${stderr}`]).toEqual([1, expect.stringContaining(`(${name})`)]);
    const checked = await runPgcellar(['check', 'main'], { home });
    expect(checked.stdout).toContain(`cluster followed: FAILED (${name}: `);
    expect(await sums()).toBe(before);
  };
  const { primary } = three;
  const [one, two] = three.standbys as [PostgresServer, PostgresServer];
  // two standbys promoted apart
  await one.query('SELECT pg_promote()');
  await two.query('SELECT pg_promote()');
  await primary.stop('fast');
  for (const node of [one, two]) {
    await waitFor('it is promoted', async () => (await node.value('SELECT pg_is_in_recovery()')) === 'false');
  }
  await refused('split-brain');
  await Promise.all([one, two].map(async (node) => await node.stop('fast')));
  await using other = await startCluster({ major, uniqueSystemId: true });
  const strings = (server: PostgresServer) => ({
    cluster_nodes: 'conninfo',
    conninfo: server.conninfo({ user: 'barman' }),
    streaming_conninfo: server.conninfo({ user: 'streaming_barman' }),
  });
  await home.writeServer('main', streamingServer(other, strings(other)));
  await refused('other-cluster');
  await primary.start();
  await primary.query("SELECT pg_drop_replication_slot('barman')");
  await home.writeServer('main', streamingServer(primary, { ...strings(primary), create_slot: 'manual' }));
  await refused('slot-missing');
});

test('WAL that the new primary recycles immediately is fetched from a standby, and nothing is missing', async () => {
  await setUp(); // a cluster of its own: no node can come back behind what was recycled
  await three.primary.query('CREATE TABLE told (id bigint PRIMARY KEY, padding text)');
  await runWell(['terminate-process', 'main', 'receive-wal'], { home });
  const old = await three.failover();
  const { primary } = three;
  const standby = three.standbys.find((node) => node !== old)!;
  for (const setting of ["wal_keep_size = '0'", "min_wal_size = '32MB'", "max_wal_size = '32MB'"])
    await primary.query(`ALTER SYSTEM SET ${setting}`);
  primary.reload();
  const fork = await primary.value('SELECT pg_walfile_name(pg_current_wal_lsn())');
  await waitFor('the segment of the fork is recycled', async () => {
    await primary.query('INSERT INTO told SELECT coalesce(max(id), 0) + 1 FROM told');
    await primary.query('SELECT pg_switch_wal()');
    await primary.query('CHECKPOINT');
    return (await primary.value(`SELECT count(*) FROM pg_ls_waldir() WHERE name = '${fork}'`)) === '0';
  });
  expect(await standby.value(`SELECT count(*) FROM pg_ls_waldir() WHERE name = '${fork}'`)).toBe('1');
  await untilFollowed(primary);
  const { switches } = await cluster('--history');
  expect(switches.at(-1)).toMatchObject({ to: three.nameOf(primary), gone_segments: [], lost_bytes: 0 });
  expect(switches.at(-1)?.fetched_segments).toBeGreaterThan(0);
  await expectAllRestorable('2');
  const { stdout } = await runPgcellar(['status', 'main'], { home });
  expect(stdout).toMatch(/WAL holes: none/);
  expect(stdout).toContain(`Primary followed: ${three.nameOf(primary)}`);
});
