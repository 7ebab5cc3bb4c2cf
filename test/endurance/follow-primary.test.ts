// The long form of test/integration/follow-primary.test.ts, run alone: PGCELLAR_SWITCHES=20 npm test -- test/endurance
// PGCELLAR_SEED=N replays a run. So many switchovers and as many failovers under load, without a hand but `cron`.
import { rm } from 'node:fs/promises';
import { afterAll, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { isSlotActive, waitForReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTestHome, streamingServer } from '../helpers/test-home.ts';
import { ClusterLoad, ThreeNodes } from '../helpers/three-nodes.ts';
import { waitFor } from '../helpers/wait-for.ts';

const major = 17;
const rounds = Number(process.env['PGCELLAR_SWITCHES']); // vitest.config.ts leaves this file out without it
const seed = Number(process.env['PGCELLAR_SEED'] ?? Date.now() % 1_000_000);
const opened = new Opened();
afterAll(async () => opened.close());

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
function numbersFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

test(`${String(rounds)} switchovers and ${String(rounds)} failovers are followed, and all of the surviving timeline comes back (seed ${String(seed)})`, async () => {
  const random = numbersFrom(seed);
  const three = await opened.add(ThreeNodes.start({ major }));
  const home = await opened.add(createTestHome());
  const strings = { conninfo: three.conninfo('barman'), streaming_conninfo: three.conninfo('streaming_barman') };
  await home.writeServer('main', streamingServer(three.primary, { ...strings, immediate_checkpoint: true }));
  await runWell(['cron'], { home });
  await waitForReceiver(home, three.primary);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await runWell(['backup', '--wait', 'main'], { home });
  const steps = Array.from({ length: 2 * rounds }, (_, at) => ({
    kind: at % 2 === 0 ? 'switchover' : 'failover',
    at: random(),
  }));
  const kinds = steps.toSorted((a, b) => a.at - b.at).map(({ kind }) => kind);
  const seconds: number[] = [];
  let load = await opened.add(ClusterLoad.start(three));
  for (const [number, kind] of kinds.entries()) {
    await load.untilMore(5 + Math.floor(random() * 40));
    const target = three.standbys[Math.floor(random() * three.standbys.length)]!;
    const old = kind === 'failover' ? await three.failover() : undefined;
    if (kind === 'switchover') await three.switchover(target);
    const startedMs = performance.now();
    await runWell(['cron'], { home });
    await waitFor(`the receiver follows after ${kind} ${String(number + 1)}`, async () => await isSlotActive(three.primary), {
      timeoutMs: 15_000,
      explain: () => home.log(),
    });
    seconds.push((performance.now() - startedMs) / 1000);
    await load.untilMore();
    if (old !== undefined) await three.rejoin(old);
    if (random() < 0.2) await runWell(['backup', 'main'], { home });
    if (number === kinds.length - 1) await load[Symbol.asyncDispose]();
  }
  load = await ClusterLoad.start(three);
  await load[Symbol.asyncDispose]();
  const ids = "SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM told";
  const rows = await three.primary.value(ids);
  const timeline = await three.primary.value(
    "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int",
  );
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  const { stdout } = await runPgcellar(['status', 'main'], { home });
  expect(stdout).toMatch(/WAL holes: none/);
  for (const backup of ['oldest', 'latest']) {
    const data = `${home.folder}/restored`;
    await runWell(['restore', '--target-tli', timeline, 'main', backup, data], { home });
    {
      await using restored = await startRestored({ dataDir: data, major, wait: 'promoted' });
      expect(await restored.value(ids)).toBe(rows);
    }
    await rm(data, { recursive: true });
  }
  const history = await runPgcellar(['show-cluster', '--history', 'main'], { home });
  expect(history.stdout).not.toContain('BROKEN');
  expect(history.stdout).not.toContain('Hole');
  console.log(`streaming again after ${seconds.map((each) => each.toFixed(1)).join(', ')} s\n${history.stdout}`);
}, 3_600_000);
