import { setTimeout as delay } from 'node:timers/promises';

/** The only source of time: passed in, so that a test can stand still. */
export interface Clock {
  /** This instant. */
  now(): Date;
  /** Monotonic milliseconds, for measuring durations. */
  elapsedMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => new Date(),
  elapsedMs: () => Number(process.hrtime.bigint()) / 1e6, // `performance` takes a millisecond and more to load
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      throw signal?.aborted === true ? signal.reason : error; // an error of its own stands around the reason
    }
  },
};
