import { Writable } from 'node:stream';

/** Keeps what is written, and fails as soon as it is more than was expected: what comes from outside may unpack to anything. */
export class BoundedSink extends Writable {
  readonly #mostBytes: number;
  readonly #tooMuch: Error;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  /** @param tooMuch the error for more than `mostBytes` */
  constructor(mostBytes: number, tooMuch: Error) {
    super();
    this.#mostBytes = mostBytes;
    this.#tooMuch = tooMuch;
  }

  get content(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /**
   * What `fill` writes here.
   * @throws `tooMuch`, whatever `fill` makes of it; else what `fill` throws
   */
  async filledBy(fill: (sink: this) => Promise<void>): Promise<Buffer> {
    try {
      await fill(this);
    } catch (error) {
      throw this.#bytes > this.#mostBytes ? this.#tooMuch : error;
    }
    return this.content;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#mostBytes) {
      done(this.#tooMuch);
      return;
    }
    this.#chunks.push(chunk);
    done();
  }
}
