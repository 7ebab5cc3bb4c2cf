// The long form of test/integration/follow-primary.test.ts, run alone: PGCELLAR_SWITCHES=20 npm test -- test/endurance
// PGCELLAR_SEED=N replays a run. So many switchovers and as many failovers under load, without a hand but `cron`.
import { rm } from 'node:fs/promises';
import { afterEach, expect, test } from 'vitest';
import { namesIn } from '../helpers/archived-wals.ts';
import { Opened } from '../helpers/opened.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { isSlotActive, waitForReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { ClusterLoad, ThreeNodes } from '../helpers/three-nodes.ts';
import { waitFor } from '../helpers/wait-for.ts';

const major = 17;
const rounds = Number(process.env['PGCELLAR_SWITCHES']); // vitest.config.ts leaves this file out without it
const seed = Number(process.env['PGCELLAR_SEED'] ?? Date.now() % 1_000_000);
const opened = new Opened();
afterEach(async () => opened.close());

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

/** A moment that a restore can go back to, and the rows there were. */
interface Point {
  readonly name: string;
  readonly rows: string;
  /** Number of backups before it. */
  readonly backups: number;
}

const idsThere = "SELECT coalesce(string_agg(id::text, ',' ORDER BY id), '') FROM told";

/** A named point while nobody writes, which every standby has: no failover can take it along. */
async function markPoint(three: ThreeNodes, name: string, backups: number): Promise<Point> {
  await three.primary.query(`SELECT pg_create_restore_point('${name}')`);
  await three.settle();
  return { name, rows: await three.primary.value(idsThere), backups };
}

async function expectRestored(home: TestHome, backup: string, words: readonly string[], rows: string): Promise<void> {
  const data = `${home.folder}/restored`;
  await runWell(['restore', ...words, 'main', backup, data], { home });
  {
    await using restored = await startRestored({ dataDir: data, major, wait: 'promoted' });
    expect(await restored.value(idsThere), `${backup} ${words.join(' ')}`).toBe(rows);
  }
  await rm(data, { recursive: true });
}

test.each([
  { way: 'streamed', ships: false },
  { way: 'streamed and shipped', ships: true },
])(
  `WAL that is $way: ${String(rounds)} switchovers and ${String(rounds)} failovers are followed, and all of the surviving timeline comes back (seed ${String(seed)})`,
  async ({ ships }) => {
    const random = numbersFrom(seed);
    const home = await opened.add(createTestHome({ owner: 'server' }));
    const incoming = home.server('main', 'incoming');
    const shipping = { archive_mode: true, archive_command: `mkdir -p ${incoming} && cp %p ${incoming}/%f` };
    const three = await opened.add(ThreeNodes.start({ major, settings: ships ? shipping : {} }));
    const strings = { conninfo: three.conninfo('barman'), streaming_conninfo: three.conninfo('streaming_barman') };
    const options = { ...strings, immediate_checkpoint: true, archiver: ships };
    await home.writeServer('main', streamingServer(three.primary, options));
    await runWell(['cron'], { home });
    await waitForReceiver(home, three.primary);
    await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    await runWell(['backup', '--wait', 'main'], { home });
    const backups = async (): Promise<readonly string[]> => {
      const { stdout } = await runPgcellar(['list-backups', '--minimal', 'main'], { home });
      return stdout.split('\n').filter((id) => id !== '');
    };
    const steps = Array.from({ length: 2 * rounds }, (_, at) => ({
      kind: at % 2 === 0 ? 'switchover' : 'failover',
      at: random(),
    }));
    const kinds = steps.toSorted((a, b) => a.at - b.at).map(({ kind }) => kind);
    const seconds: number[] = [];
    const points: Point[] = [];
    const acknowledged = new Set<number>();
    const clones = { rewound: 0, cloned: 0 };
    let load = await ClusterLoad.start(three);
    const pause = async (): Promise<void> => {
      await load[Symbol.asyncDispose]();
      for (const id of load.acknowledged) acknowledged.add(id);
    };
    try {
      for (const [number, kind] of kinds.entries()) {
        await load.untilMore(5 + Math.floor(random() * 40));
        if (number % 3 === 0) {
          await pause();
          points.push(await markPoint(three, `point_${String(number)}`, (await backups()).length));
          load = await ClusterLoad.start(three);
        }
        const target = three.standbys[Math.floor(random() * three.standbys.length)]!;
        const old = kind === 'failover' ? await three.failover() : undefined;
        if (kind === 'switchover') await three.switchover(target);
        const startedMs = performance.now();
        await runWell(['cron'], { home });
        await waitFor(
          `the receiver follows after ${kind} ${String(number + 1)}`,
          async () => await isSlotActive(three.primary),
          {
            timeoutMs: 15_000,
            explain: () => home.log(),
          },
        );
        seconds.push((performance.now() - startedMs) / 1000);
        await load.untilMore();
        if (old !== undefined) {
          const isRewound = random() < 0.5;
          if (isRewound) await three.rejoin(old);
          else await three.reclone(old);
          clones[isRewound ? 'rewound' : 'cloned'] += 1;
        }
        if (random() < 0.25 || number === rounds) await runWell(['backup', 'main'], { home });
      }
    } finally {
      await pause();
    }
    const rows = await three.primary.value(idsThere);
    const timeline = await three.primary.value(
      "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int",
    );
    await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    await runWell(['cron'], { home });
    const { stdout: status } = await runPgcellar(['status', 'main'], { home });
    expect(status).toMatch(/WAL holes: none/);
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
    const readHistory = async () => await runPgcellar(['show-cluster', '--history', 'main'], { home });
    await waitFor('every switch is compared', async () => !/not compared yet/.test((await readHistory()).stdout), {
      explain: async () => (await readHistory()).stdout,
    });
    const history = await readHistory();
    const survivors = new Set(rows.split(',').map(Number));
    const lost = [...acknowledged].filter((id) => !survivors.has(id));
    console.log(
      `seed ${String(seed)}: ${String(seconds.length)} switches, ${String(clones.rewound)} rewound, ${String(clones.cloned)} cloned; ` +
        `${String(acknowledged.size)} commits acknowledged, ${String(lost.length)} of them on timelines that were left\n` +
        `streaming again after ${seconds.map((each) => each.toFixed(1)).join(', ')} s\n${history.stdout}`,
    );
    expect(history.stdout).not.toContain('BROKEN');
    expect(history.stdout).not.toContain('Hole');
    const { stdout: json } = await runPgcellar(['-f', 'json', 'show-cluster', '--history', 'main'], { home });
    const { switches } = (JSON.parse(json) as { main: { switches: readonly { readonly gone_segments: readonly string[] }[] } })
      .main;
    expect(switches.flatMap(({ gone_segments: gone }) => gone)).toEqual([]);
    expect(switches.length).toBeGreaterThanOrEqual(kinds.length);
    const ids = (await backups()).toReversed(); // oldest first
    const chosen = [...new Set([0, Math.floor(ids.length / 2), ids.length - 1])];
    for (const at of chosen) {
      const usable = points.filter((point) => point.backups > at);
      const some = [...new Set([usable[0], usable[Math.floor(usable.length / 2)], usable.at(-1)])];
      for (const point of some)
        if (point !== undefined)
          await expectRestored(
            home,
            ids[at] ?? '',
            ['--target-name', point.name, '--target-tli', timeline, '--target-action', 'promote'],
            point.rows,
          );
      await expectRestored(home, ids[at] ?? '', ['--target-tli', timeline], rows);
    }
    await runWell(['show-cluster', '--acknowledge', 'main'], { home });
    const { stdout: checked } = await runPgcellar(['check', 'main'], { home });
    expect(checked.split('\n').filter((line) => line.includes('FAILED'))).toEqual([]);
  },
  3_600_000,
);
