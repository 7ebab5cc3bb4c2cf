import { type Cost, type Meter, MeteringRoom } from './meter.ts';

/** Something that is measured; what it needs is made beforehand and not counted. */
export interface Contender {
  readonly prepare?: () => Promise<void>;
  readonly work: (meter: Meter) => Promise<void>;
  /** Fewer or more runs than the others, e.g. for an opponent that takes minutes; with one there is no warm-up either. */
  readonly runs?: number;
  /** What is to be reached, if anything: a ratio to another contender, plus an allowance, or a time. */
  readonly target?: Target;
}

export type Target =
  | { readonly atMost: number; readonly timesThatOf: string; readonly plusMs?: number }
  | { readonly atMostMs: number; readonly atMostBytes?: number };

/** One line of a table. */
export interface Measured {
  readonly name: string;
  readonly wallMs: Spread;
  readonly cpuSeconds: Spread;
  readonly peakBytes: Spread;
  readonly runs: number;
  /** To the opponent: the median of the ratios of each round, or that of the medians where one of both ran less often. */
  readonly ratio: number | undefined;
  /** The target in words and whether it was reached; undefined where there is none. */
  readonly target: { readonly words: string; readonly isReached: boolean } | undefined;
}

interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** What was measured in turns, with the contender that ratios refer to. */
export interface BenchTable {
  readonly title: string;
  readonly opponent: string | undefined;
  readonly rows: readonly Measured[];
  /** Lines below the table: figures that follow from it, what limits it. */
  readonly notes: readonly string[];
}

export interface BenchOptions {
  /** How often each contender runs, after one round that warms up. */
  readonly runs: number;
  /** Also what takes many minutes. */
  readonly isFull: boolean;
}

/** One subject of `npm run bench`. */
export interface Bench {
  readonly name: string;
  readonly run: (options: BenchOptions) => Promise<readonly BenchTable[]>;
}

/** Does each of the contenders several times, taking turns so that a busy moment of the machine hits all of them. */
export async function measureInTurn(
  { title, opponent, runs }: { readonly title: string; readonly opponent?: string | undefined; readonly runs: number },
  contenders: Readonly<Record<string, Contender>>,
): Promise<BenchTable> {
  const costs = new Map<string, Cost[]>(Object.keys(contenders).map((name) => [name, []]));
  await using room = await MeteringRoom.open();
  const mostRuns = Math.max(...Object.values(contenders).map((one) => one.runs ?? runs));
  for (let round = 0; round <= mostRuns; round++) {
    for (const [name, { prepare, work, runs: wanted = runs }] of Object.entries(contenders)) {
      const isWarmUp = round === 0;
      if (round > wanted || (isWarmUp && wanted === 1)) continue;
      await prepare?.();
      const cost = await room.costOf(work);
      if (!isWarmUp) costs.get(name)?.push(cost);
    }
  }
  return { title, opponent, rows: rowsOf(costs, contenders, opponent), notes: [] };
}

function rowsOf(
  costs: ReadonlyMap<string, readonly Cost[]>,
  contenders: Readonly<Record<string, Contender>>,
  opponent: string | undefined,
): readonly Measured[] {
  const medianOf = (name: string): number => spreadOf((costs.get(name) ?? []).map(({ wallMs }) => wallMs)).median;
  return [...costs].map(([name, all]) => {
    const wallMs = spreadOf(all.map((cost) => cost.wallMs));
    const peakBytes = spreadOf(all.map((cost) => cost.peakBytes));
    const beside = opponent === undefined ? [] : (costs.get(opponent) ?? []);
    const perRound = all.map((cost, round) => cost.wallMs / (beside[round]?.wallMs ?? Number.NaN));
    const isRoundByRound = beside.length === all.length;
    const ratio =
      opponent === undefined ? undefined : isRoundByRound ? spreadOf(perRound).median : wallMs.median / medianOf(opponent);
    const target = contenders[name]?.target;
    return {
      name,
      wallMs,
      cpuSeconds: spreadOf(all.map((cost) => cost.cpuSeconds)),
      peakBytes,
      runs: all.length,
      ratio,
      target:
        target === undefined ? undefined : judge(target, { wallMs: wallMs.median, peakBytes: peakBytes.median, medianOf }),
    };
  });
}

function judge(
  target: Target,
  { wallMs, peakBytes, medianOf }: { wallMs: number; peakBytes: number; medianOf: (name: string) => number },
): NonNullable<Measured['target']> {
  if ('atMostMs' in target) {
    const { atMostMs, atMostBytes = Infinity } = target;
    const memory = atMostBytes === Infinity ? '' : `, ${String(atMostBytes / 1e6)} MB`;
    return { words: `${String(atMostMs / 1000)} s${memory}`, isReached: wallMs <= atMostMs && peakBytes <= atMostBytes };
  }
  const { atMost, timesThatOf, plusMs = 0 } = target;
  const words = `${String(atMost)} x ${timesThatOf}${plusMs === 0 ? '' : ` + ${String(plusMs / 1000)} s`}`;
  return { words, isReached: wallMs <= atMost * medianOf(timesThatOf) + plusMs };
}

function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { median: at(Math.floor(sorted.length / 2)), least: at(0), most: at(sorted.length - 1) };
}
