/** Times in milliseconds of the same thing, done several times. */
export interface Measured {
  readonly name: string;
  readonly medianMs: number;
  readonly leastMs: number;
  readonly mostMs: number;
}

/** Something that is measured; what it needs is made beforehand and not counted. */
export interface Contender {
  readonly prepare?: () => Promise<void>;
  readonly work: () => Promise<void>;
}

/** Does each of the contenders `runs` times, taking turns so that a busy moment of the machine hits all of them; the first round warms up. */
export async function measureInTurn(
  contenders: Readonly<Record<string, Contender>>,
  { runs }: { readonly runs: number },
): Promise<readonly Measured[]> {
  const times = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]));
  for (let round = 0; round <= runs; round++) {
    for (const [name, { prepare, work }] of Object.entries(contenders)) {
      await prepare?.();
      const startedMs = performance.now();
      await work();
      if (round > 0) times.get(name)?.push(performance.now() - startedMs);
    }
  }
  return [...times].map(([name, measured]) => summaryOf(name, measured));
}

/** A table with each contender's median and its ratio to the opponent. */
export function tableOf(title: string, measured: readonly Measured[], opponent: string): string {
  const base = measured.find(({ name }) => name === opponent)?.medianMs;
  const rows = measured.map(({ name, medianMs, leastMs, mostMs }) => {
    const ratio = base === undefined ? '' : (medianMs / base).toFixed(2);
    return `  ${name.padEnd(42)}${medianMs.toFixed(1).padStart(10)} ms ${ratio.padStart(7)} x   (${leastMs.toFixed(1)} to ${mostMs.toFixed(1)})`;
  });
  return [`${title}; median, ratio to "${opponent}", least and most`, ...rows, ''].join('\n');
}

function summaryOf(name: string, times: readonly number[]): Measured {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { name, medianMs: at(Math.floor(sorted.length / 2)), leastMs: at(0), mostMs: at(sorted.length - 1) };
}
