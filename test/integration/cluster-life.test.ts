// A cluster that lives: slots that move along on its standbys, file-level backups of a node that is lost or demoted, a node that does not answer, and
// two promotions between two looks.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newestRecord } from '../helpers/newest-record.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { isSlotActive, waitForReceiver } from '../helpers/start-receiver.ts';
import { type SilentAddress, startSilentPort } from '../helpers/start-silent.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { ThreeNodes } from '../helpers/three-nodes.ts';
import { waitFor } from '../helpers/wait-for.ts';

const opened = new Opened();
let three: ThreeNodes;
let home: TestHome;
let sshd: Sshd;
let silent: SilentAddress;

beforeAll(async () => {
  three = await opened.add(ThreeNodes.start({ major: 17 }));
  home = await opened.add(createTestHome());
  sshd = await opened.add(startSshd());
  silent = await opened.add(startSilentPort());
  await configure({ cluster_slots: 'all' });
  await runWell(['cron'], { home });
  await waitForReceiver(home, three.primary);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
});
afterAll(async () => opened.close());

async function configure(options: IniSection = {}): Promise<void> {
  const strings = { conninfo: three.conninfo('barman'), streaming_conninfo: three.conninfo('streaming_barman') };
  const more = { ssh_command: 'ssh -p 1 127.0.0.1', cluster_ssh: sshd.sshCommand, immediate_checkpoint: true, ...options };
  await home.writeServer('main', streamingServer(three.primary, { ...strings, ...more }));
}

async function restartReceiver(): Promise<void> {
  await runWell(['terminate-process', 'main', 'receive-wal'], { home });
  await runWell(['cron'], { home });
  await waitFor('the receiver streams', async () => await isSlotActive(three.primary), { explain: () => home.log() });
}

async function slotOf(node: PostgresServer): Promise<string | undefined> {
  const rows = await node.query<{ at: string }>(
    "SELECT restart_lsn::text AS at FROM pg_replication_slots WHERE slot_name = 'barman'",
  );
  return rows[0]?.at;
}

test('with cluster_slots = all each standby keeps a slot that moves along, and without it that slot goes', async () => {
  const [standby] = three.standbys as [PostgresServer, PostgresServer];
  const first = await waitFor('the standby has a slot', async () => await slotOf(standby), { explain: () => home.log() });
  for (let count = 0; count < 2; count += 1) {
    await three.primary.query('CREATE TABLE IF NOT EXISTS moved (id int)');
    await three.primary.query('SELECT pg_switch_wal()');
  }
  await waitFor(
    'the slot has moved along',
    async () => (await standby.value(`SELECT restart_lsn > '${first}' FROM pg_replication_slots`)) === 'true',
    { explain: () => home.log() },
  );
  await configure();
  await restartReceiver();
  for (const node of three.standbys) {
    await waitFor('the slot is dropped', async () => (await slotOf(node)) === undefined, { explain: () => home.log() });
  }
});

async function failsMidway(whatHappens: (source: PostgresServer) => Promise<void>, from: 'primary' | 'standby') {
  await configure({ backup_method: 'rsync', backup_from: from });
  const slow = await spawnPgcellar(['backup', '--bwlimit', '4000', 'main'], { home });
  const source = await waitFor(
    'files are copied',
    () => {
      const [, port] = /is taken from 127\.0\.0\.1:(\d+)/.exec(slow.stdout()) ?? [];
      return slow.stdout().includes('Starting backup copy') && three.nodes.find((node) => String(node.port) === port);
    },
    { explain: () => slow.stderr() },
  );
  await whatHappens(source);
  const { exitCode } = await slow.ended;
  const record = await newestRecord(home);
  expect([exitCode, record]).toEqual([1, expect.stringContaining('status=FAILED')]);
  return { source, record };
}

test('a file-level backup goes through cluster_ssh to a standby, and fails with the reason when that is lost', async () => {
  await configure({ backup_method: 'rsync', backup_from: 'standby' });
  const taken = await runWell(['backup', '--wait', '--wait-timeout', '120', 'main'], { home });
  expect(taken).toMatch(/is taken from .*, a standby/);
  expect(await newestRecord(home)).toContain('status=DONE');
  const { source, record } = await failsMidway(async (node) => await node.kill(), 'standby');
  expect(record).toContain(`the node ${three.nameOf(source)} was lost while the backup ran`);
  await source.start();
});

test('a file-level backup of a primary that is demoted meanwhile fails with that reason', async () => {
  const { source, record } = await failsMidway(async () => {
    await three.switchover(three.standbys[0]!);
  }, 'primary');
  expect(record).toMatch(new RegExp(`the node ${three.nameOf(source)} was (demoted|lost) while the backup ran`));
  await runWell(['cron'], { home });
  await waitFor('the receiver follows', async () => await isSlotActive(three.primary), { explain: () => home.log() });
});

test('two promotions between two looks are one switch, over both forks', async () => {
  await configure();
  await runWell(['terminate-process', 'main', 'receive-wal'], { home });
  await three.primary.query('CREATE TABLE IF NOT EXISTS twice (id int)');
  const from = three.nameOf(three.primary);
  for (let count = 0; count < 2; count += 1) {
    await three.primary.query('INSERT INTO twice VALUES (1)');
    await three.settle();
    await three.switchover(three.standbys[0]!);
  }
  await runWell(['cron'], { home });
  await waitFor('the receiver follows', async () => await isSlotActive(three.primary), { explain: () => home.log() });
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  const { stdout } = await runPgcellar(['-f', 'json', 'show-cluster', '--history', 'main'], { home });
  const { switches } = (JSON.parse(stdout) as { main: { switches: readonly Record<string, unknown>[] } }).main;
  expect(switches.at(-1)).toMatchObject({ from, to: three.nameOf(three.primary), lost_bytes: 0, gone_segments: [] });
  expect(Number(switches.at(-1)?.['new_timeline']) - Number(switches.at(-1)?.['old_timeline'])).toBe(2);
  const { stdout: status } = await runPgcellar(['status', 'main'], { home });
  expect(status).toMatch(/WAL holes: none/);
});

test('a first host that takes connections and never answers holds nobody up for long', async () => {
  const { port } = silent;
  const withSilent = (text: string): string =>
    text.replace('host=', 'host=127.0.0.1,').replace('port=', `port=${String(port)},`);
  await configure({
    conninfo: withSilent(three.conninfo('barman')),
    streaming_conninfo: withSilent(three.conninfo('streaming_barman')),
  });
  const { stdout } = await runPgcellar(['show-cluster', 'main'], { home });
  expect(stdout).toContain('no answer (no answer within 5 s)');
  await restartReceiver();
  await waitFor(
    'check is green',
    async () => !(await runPgcellar(['check', 'main'], { home })).stdout.includes('cluster followed: FAILED'),
  );
  await three.settle();
  await three.switchover(three.standbys[0]!);
  await waitFor('the receiver follows', async () => await isSlotActive(three.primary), {
    timeoutMs: 40_000,
    explain: () => home.log(),
  });
});
