import type { Clock } from '../../shared/clock.ts';
import type { StageName, StageOutcome } from './restore-rates.ts';

/** Measures the stages of a restore. */
export class StageClock {
  readonly #clock: Pick<Clock, 'elapsedMs'>;
  readonly #outcomes: StageOutcome[] = [];

  constructor({ clock }: { readonly clock: Pick<Clock, 'elapsedMs'> }) {
    this.#clock = clock;
  }

  /** The stages that came to their end, in their order. */
  get outcomes(): readonly StageOutcome[] {
    return this.#outcomes;
  }

  /** Does the work of a stage that moves so many bytes. */
  async run<T>(stage: StageName, bytes: number, work: () => Promise<T>): Promise<T> {
    const startedMs = this.#clock.elapsedMs();
    const result = await work();
    this.#outcomes.push({ stage, bytes, seconds: (this.#clock.elapsedMs() - startedMs) / 1000 });
    return result;
  }
}
