import { OperatorError } from '../shared/operator-error.ts';

interface StallOptions {
  readonly stallMs: number;
  /** Differs from the last answer when something has passed; undefined when it is somebody else who lets it wait. */
  readonly progress: () => Promise<string | undefined>;
  readonly onStall: () => void;
}

/** No compression of a segment thinks for so long without a byte in or out: one that hangs must not hold up all others for ever. */
export const usualStallMs = 600_000;

/** Looks every `stallMs`, and calls `onStall` once when nothing has passed since the last look. */
export class StallWatch implements Disposable {
  readonly #options: StallOptions;
  readonly #timer: NodeJS.Timeout;
  #last: string | undefined;
  hasStalled = false;

  constructor(options: StallOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), options.stallMs);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #look(): Promise<void> {
    // a process that cannot be examined has just ended: its files are closed
    const now = await this.#options.progress().catch(() => undefined);
    const isSame = now !== undefined && now === this.#last;
    this.#last = now;
    if (!isSame || this.hasStalled) return;
    this.hasStalled = true;
    this.#options.onStall();
  }
}

/** The failure of a program that was given up. */
export function stalled(name: string, stallMs: number): OperatorError {
  const seconds = String(stallMs / 1000);
  return new OperatorError(
    'command-failed',
    `a program that works on ${name} neither read nor wrote for ${seconds} s, and was killed`,
  );
}
