// WAL that the new primary has recycled, or never had: it comes from a standby, over SQL or ssh, and of a node that is down from its disk. What nobody
// has is one hole, and the next backup comes by itself.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { archivedWals } from '../helpers/archived-wals.ts';
import { newestRecord } from '../helpers/newest-record.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { isSlotActive, waitForReceiver } from '../helpers/start-receiver.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { ThreeNodes } from '../helpers/three-nodes.ts';
import { waitFor } from '../helpers/wait-for.ts';

const major = 17;
const opened = new Opened();
let sshd: Sshd;
let case_: Opened;
let three: ThreeNodes;
let home: TestHome;

beforeAll(async () => {
  sshd = await opened.add(startSshd());
});
afterAll(async () => opened.close());
beforeEach(async () => {
  case_ = new Opened();
  three = await case_.add(ThreeNodes.start({ major, standbys: 1, settings: { wal_keep_size: '0', checkpoint_timeout: '1h' } }));
  home = await case_.add(createTestHome());
});
afterEach(async () => case_.close());

async function configure(options: IniSection = {}): Promise<void> {
  const strings = { conninfo: three.conninfo('barman'), streaming_conninfo: three.conninfo('streaming_barman') };
  const more = { cluster_ssh: sshd.sshCommand, immediate_checkpoint: true, ...options };
  await home.writeServer('main', streamingServer(three.primary, { ...strings, ...more }));
}

interface Switch {
  readonly from: string;
  readonly to: string;
  readonly gone_segments: readonly string[];
  readonly fetched_segments: number;
  readonly lost_bytes: number;
  readonly loss_is_exact: boolean;
  readonly fork_lsn: string;
}

async function lastSwitch(): Promise<Switch | undefined> {
  const { stdout } = await runPgcellar(['-f', 'json', 'show-cluster', '--history', 'main'], { home });
  return (JSON.parse(stdout) as { main: { switches: readonly Switch[] } }).main.switches.at(-1);
}

/** Whole segments full of rows. */
async function fill(node: PostgresServer, segments: number): Promise<void> {
  await node.query('CREATE TABLE IF NOT EXISTS load (data text)');
  for (let count = 0; count < segments; count += 1) {
    await node.query("INSERT INTO load SELECT repeat('x', 100) FROM generate_series(1, 1000)");
    await node.query('SELECT pg_switch_wal()');
  }
}

const currentSegment = async (node: PostgresServer): Promise<string> =>
  await node.value('SELECT pg_walfile_name(pg_current_wal_lsn())');

async function hasSegment(node: PostgresServer, segment: string): Promise<boolean> {
  return (await node.value(`SELECT count(*) FROM pg_ls_waldir() WHERE name = '${segment}'`)) === '1';
}

async function startStreaming(): Promise<void> {
  await runWell(['cron'], { home });
  await waitForReceiver(home, three.primary);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await runWell(['backup', '--wait', '--wait-timeout', '120', 'main'], { home });
}

/** The receiver is away while the primary writes; then it dies, and the standby recycles everything immediately. @returns the first segment we lack */
async function failOverBehindOurBack(): Promise<{ readonly old: PostgresServer; readonly first: string }> {
  const old = three.primary;
  await startStreaming();
  await runWell(['terminate-process', 'main', 'receive-wal'], { home });
  const first = await currentSegment(old);
  await fill(old, 4);
  const [standby] = three.standbys as [PostgresServer];
  const end = await old.value('SELECT pg_current_wal_flush_lsn()');
  await waitFor('the standby has all of it', async () => {
    return (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${end}'::pg_lsn`)) === 'true';
  });
  // a look remembers where the data directory is
  await runPgcellar(['show-cluster', 'main'], { home });
  await three.failover();
  const { primary } = three;
  for (const setting of ["min_wal_size = '32MB'", "max_wal_size = '32MB'"]) await primary.query(`ALTER SYSTEM SET ${setting}`);
  primary.reload();
  await waitFor('the new primary has recycled the first segment we lack', async () => {
    await primary.query('CHECKPOINT');
    await fill(primary, 1);
    return !(await hasSegment(primary, first));
  });
  return { old, first };
}

async function follow(): Promise<void> {
  await runWell(['cron'], { home });
  await waitFor('the receiver streams from the new primary', async () => await isSlotActive(three.primary), {
    timeoutMs: 60_000,
    explain: () => home.log(),
  });
}

test('WAL that only the old primary has, which is down, is read from its disk', async () => {
  await configure();
  const { first } = await failOverBehindOurBack();
  const { stdout } = await runPgcellar(['show-cluster', 'main'], { home });
  expect(stdout).toContain(`${first} is fetched from`);
  await follow();
  const fetched = await lastSwitch();
  expect(fetched?.fetched_segments).toBeGreaterThan(0);
  await runWell(['archive-wal', 'main'], { home });
  expect(await archivedWals(home)).toContain(first);
  // only what was of the new timeline and recycled, too, is nowhere
  for (const segment of fetched?.gone_segments ?? []) expect(segment).toMatch(/^00000002/);
});

test('WAL that an old primary has which runs again and does not stream it is read over SQL', async () => {
  const { clientsDir } = three.primary;
  const programs = await home.makeFolder('programs');
  const script = `#!/bin/sh\ncase "$*" in *.fetch*) exit 1 ;; esac\nexec ${clientsDir}/pg_receivewal "$@"\n`;
  await home.writeFile('programs/pg_receivewal', script, 0o755);
  await configure({ path_prefix: `${programs}:${clientsDir}`, cluster_ssh: 'ssh -p 1 127.0.0.1' });
  const { old, first } = await failOverBehindOurBack();
  await three.comeBackAsPrimary(old);
  await follow();
  expect((await lastSwitch())?.fetched_segments).toBeGreaterThan(0);
  await runWell(['archive-wal', 'main'], { home });
  expect(await archivedWals(home)).toContain(first);
  const { stdout } = await runPgcellar(['check', 'main'], { home });
  expect(stdout).toMatch(/cluster followed: FAILED \(.* still runs as a primary of timeline 1/);
});

test('WAL that no node has is one hole, and the next backup comes by itself', async () => {
  await configure({ cluster_ssh: 'ssh -p 1 127.0.0.1', backup_after_switch: 'on' });
  const { first } = await failOverBehindOurBack();
  await follow();
  const found = await lastSwitch();
  expect(found).toMatchObject({ to: three.nameOf(three.primary), fetched_segments: 0 });
  expect(found?.gone_segments[0]).toBe(first);
  // a checkpoint that was under way may take another segment, and the slot with it
  await waitFor('WAL comes again', async () => {
    const words = ['switch-wal', '--force', '--archive', '--archive-timeout', '5', 'main'];
    return (await runPgcellar(words, { home })).exitCode === 0;
  });
  const { stdout } = await runPgcellar(['status', 'main'], { home });
  expect(stdout).toMatch(new RegExp(`WAL hole 1: WAL ${first}`));
  await waitFor('cron takes a backup', async () => {
    await runWell(['cron'], { home });
    return (await newestRecord(home)).includes('timeline=2');
  });
  await waitFor(
    'the backup is done',
    async () => {
      await runWell(['cron'], { home });
      return (await newestRecord(home)).includes('status=DONE');
    },
    { timeoutMs: 60_000, explain: () => home.log() },
  );
});

test('the loss reaches to the end of the WAL that a dead primary wrote, which nobody was sent', async () => {
  await configure();
  const old = three.primary;
  await startStreaming();
  await runPgcellar(['show-cluster', 'main'], { home });
  await runWell(['terminate-process', 'main', 'receive-wal'], { home });
  const [standby] = three.standbys as [PostgresServer];
  await three.detach(standby);
  await old.query('CREATE TABLE lost (data text)');
  await old.query("INSERT INTO lost SELECT repeat('x', 100) FROM generate_series(1, 200000)"); // more than one segment
  const end = await old.value('SELECT pg_current_wal_flush_lsn()');
  await old.kill();
  await three.promote(standby);
  await follow();
  await waitFor('the end was read', async () => (await lastSwitch())?.loss_is_exact === true, { explain: () => home.log() });
  const { lost_bytes: lost, fork_lsn: fork } = (await lastSwitch())!;
  const least = Number(await three.primary.value(`SELECT pg_wal_lsn_diff('${end}', '${fork}')`));
  expect(least).toBeGreaterThan(20_000_000);
  expect(lost - least).toBeGreaterThanOrEqual(0);
  expect(lost - least).toBeLessThan(100_000); // what the server wrote by itself until it was killed
  const { stdout } = await runPgcellar(['check', 'main'], { home });
  expect(stdout).toMatch(new RegExp(`cluster losses: FAILED \\(in the switch from .* ${String(lost)} bytes of timeline 1`));
});
