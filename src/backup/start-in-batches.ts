import type { Clock } from '../shared/clock.ts';
import { forEachConcurrently } from '../shared/for-each-concurrently.ts';

interface BatchOptions {
  /** How many work concurrently. */
  readonly jobs: number;
  /** At most so many are started within `batchSeconds`: an sshd turns too many new connections away (MaxStartups). */
  readonly batchSize: number;
  readonly batchSeconds: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Works on items, `jobs` at a time, and starts no more than a batch of them in each period (docs/reference/engine.md section 6.5). */
export async function startInBatches<T>(
  items: AsyncIterable<T>,
  options: BatchOptions,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const { jobs, batchSize, batchSeconds, clock, signal } = options;
  const startedMs: number[] = [];
  async function* inTime(): AsyncGenerator<T> {
    for await (const item of items) {
      const batchBefore = startedMs.at(-batchSize);
      if (batchBefore !== undefined) {
        const waitMs = batchBefore + batchSeconds * 1000 - clock.elapsedMs();
        if (waitMs > 0) await clock.sleep(waitMs, signal);
      }
      startedMs.push(clock.elapsedMs());
      yield item;
    }
  }
  await forEachConcurrently(inTime(), jobs, work);
}
