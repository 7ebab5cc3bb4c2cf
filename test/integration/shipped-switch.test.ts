// A cluster whose WAL comes by archive_command: its switches are noted by cron, what its old primary did not ship is fetched, and beside a receiver
// the two copies of one partial segment are one.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedWals, namesIn } from '../helpers/archived-wals.ts';
import { Opened } from '../helpers/opened.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { isSlotActive } from '../helpers/start-receiver.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { ClusterLoad, ThreeNodes } from '../helpers/three-nodes.ts';
import { waitFor } from '../helpers/wait-for.ts';

const major = 17;
const opened = new Opened();
let three: ThreeNodes;
let home: TestHome;

beforeAll(async () => {
  home = await opened.add(createTestHome({ owner: 'server' }));
  const incoming = home.server('main', 'incoming');
  const archiveCommand = `mkdir -p ${incoming} && cp %p ${incoming}/%f`;
  three = await opened.add(
    ThreeNodes.start({ major, standbys: 1, settings: { archive_mode: true, archive_command: archiveCommand } }),
  );
  await configure({ archiver: 'on', streaming_archiver: 'off' });
  await runWell(['cron'], { home });
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await runWell(['backup', '--wait', '--wait-timeout', '120', 'main'], { home });
});
afterAll(async () => opened.close());

async function configure(options: Parameters<typeof streamingServer>[1]): Promise<void> {
  const strings = { conninfo: three.conninfo('barman'), streaming_conninfo: three.conninfo('streaming_barman') };
  await home.writeServer('main', streamingServer(three.primary, { ...strings, immediate_checkpoint: true, ...options }));
}

interface Switch {
  readonly from: string;
  readonly to: string;
  readonly old_timeline: number;
  readonly new_timeline: number;
  readonly fork_lsn: string | null;
  readonly lost_bytes: number;
  readonly gone_segments: readonly string[];
  readonly fetched_segments: number;
}

async function switches(): Promise<readonly Switch[]> {
  const { stdout } = await runPgcellar(['-f', 'json', 'show-cluster', '--history', 'main'], { home });
  return (JSON.parse(stdout) as { main: { switches: readonly Switch[] } }).main.switches;
}

test('cron notes a switchover once, with no loss', async () => {
  const old = three.primary;
  await three.switchover(three.standbys[0]!);
  await runWell(['cron'], { home });
  await runWell(['cron'], { home });
  const found = await switches();
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({
    from: three.nameOf(old),
    to: three.nameOf(three.primary),
    old_timeline: 1,
    new_timeline: 2,
    lost_bytes: 0,
    gone_segments: [],
  });
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  const { stdout } = await runPgcellar(['check', 'main'], { home });
  expect(stdout).not.toContain('FAILED');
});

test('segments that the dead primary did not ship are fetched from the new one, which does not ship them', async () => {
  const old = three.primary;
  await old.query("ALTER SYSTEM SET archive_command = 'false'");
  old.reload();
  await old.query('CREATE TABLE unshipped (id int)');
  for (let count = 0; count < 3; count += 1) {
    await old.query('INSERT INTO unshipped VALUES (1)');
    await old.query('SELECT pg_switch_wal()');
  }
  await runWell(['cron'], { home });
  await three.failover();
  await runWell(['cron'], { home });
  const last = (await switches()).at(-1)!;
  expect(last).toMatchObject({ old_timeline: 2, new_timeline: 3, gone_segments: [], lost_bytes: 0 });
  expect(last.fetched_segments).toBeGreaterThanOrEqual(3);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  const { stdout } = await runPgcellar(['status', 'main'], { home });
  expect(stdout).toMatch(/WAL holes: none/);
  await three.rejoin(old);
  await old.query('ALTER SYSTEM RESET archive_command');
  old.reload();
});

test('the streamed and the shipped copy of one partial segment are one, and the check stays green', async () => {
  await configure({ archiver: 'on', streaming_archiver: 'on' });
  const until = async (): Promise<void> => {
    await runWell(['cron'], { home });
    await waitFor('the receiver streams', async () => await isSlotActive(three.primary), { explain: () => home.log() });
  };
  await until();
  await using load = await ClusterLoad.start(three);
  await load.untilMore(20);
  const old = await three.failover();
  await until();
  await load.untilMore(20);
  await three.rejoin(old);
  await waitFor(
    'the partial segment of timeline 3 came both ways',
    async () => {
      await runWell(['cron'], { home });
      const waiting = await namesIn(home.server('main', 'incoming'));
      return (await archivedWals(home)).some((name) => /^00000003.*partial$/.test(name)) && waiting.length === 0;
    },
    { explain: () => home.log() },
  );
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
  const { stdout } = await runPgcellar(['check', 'main'], { home });
  expect(stdout).not.toContain('FAILED');
});
