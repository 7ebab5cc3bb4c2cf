interface StallOptions {
  readonly stallMs: number;
  /** Whether it is somebody else who lets it wait. */
  readonly isHeldUp: () => boolean;
  readonly onStall: () => void;
}

/** Calls `onStall` once when nothing has passed for `stallMs`, although nobody held it up. */
export class StallWatch {
  readonly #timer: NodeJS.Timeout;
  hasStalled = false;

  constructor({ stallMs, isHeldUp, onStall }: StallOptions) {
    this.#timer = setTimeout(() => {
      if (isHeldUp()) {
        this.#timer.refresh();
        return;
      }
      this.hasStalled = true;
      onStall();
    }, stallMs);
  }

  /** A stage of a pipeline through which bytes go as they are. */
  readonly pass = (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> => this.#pass(chunks);

  close(): void {
    clearTimeout(this.#timer);
  }

  async *#pass(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      this.#timer.refresh();
      yield chunk;
    }
  }
}
