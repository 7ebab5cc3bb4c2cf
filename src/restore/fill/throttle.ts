import type { Clock } from '../../shared/clock.ts';

/** Holds writers back so that all of them together stay below a number of kilobytes a second. */
export class Throttle {
  readonly #kilobytesPerSecond: number;
  readonly #clock: Pick<Clock, 'elapsedMs' | 'sleep'>;
  readonly #signal: AbortSignal;
  readonly #startedMs: number;
  #takenBytes = 0;

  /** @param kilobytesPerSecond 0 for no limit */
  constructor(
    kilobytesPerSecond: number,
    { clock, signal }: { clock: Pick<Clock, 'elapsedMs' | 'sleep'>; signal: AbortSignal },
  ) {
    this.#kilobytesPerSecond = kilobytesPerSecond;
    this.#clock = clock;
    this.#signal = signal;
    this.#startedMs = clock.elapsedMs();
  }

  get isUnlimited(): boolean {
    return this.#kilobytesPerSecond <= 0;
  }

  /** Resolves when so many bytes more were allowed. */
  async take(bytes: number): Promise<void> {
    if (this.isUnlimited) return;
    this.#takenBytes += bytes;
    const dueMs = this.#takenBytes / (this.#kilobytesPerSecond * 1.024);
    const aheadMs = dueMs - (this.#clock.elapsedMs() - this.#startedMs);
    if (aheadMs > 0) await this.#clock.sleep(aheadMs, this.#signal);
  }
}
