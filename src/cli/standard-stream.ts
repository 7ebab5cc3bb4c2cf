import { fstatSync, writeSync } from 'node:fs';
import { systemCodeOf } from '../shared/operator-error.ts';

/**
 * Standard output or standard error of this process. Text is written synchronously, as Node does for files, pipes and terminals, but without
 * making a stream of it first: that takes longer than many commands run.
 */
export class StandardStream {
  readonly #descriptor: 1 | 2;
  #opened: NodeJS.WriteStream | undefined;

  constructor(descriptor: 1 | 2) {
    this.#descriptor = descriptor;
  }

  get isTerminal(): boolean {
    return this.#mayBeTerminal() && this.stream.isTTY;
  }

  /** The stream of Node, for who writes more than text. */
  get stream(): NodeJS.WriteStream {
    return (this.#opened ??= this.#open());
  }

  /**
   * What becomes of text that cannot be written: a reader who went away, as `head` does, had all it wanted; anything else ends us with one
   * line.
   */
  write(text: string): void {
    if (this.#opened !== undefined) {
      this.#opened.write(text);
      return;
    }
    const bytes = Buffer.from(text);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#descriptor, bytes, written);
    } catch (error) {
      if (systemCodeOf(error) === 'EAGAIN') this.stream.write(bytes.subarray(written));
      else this.#endWith(systemCodeOf(error) ?? String(error));
    }
  }

  #open(): NodeJS.WriteStream {
    const stream = this.#descriptor === 1 ? process.stdout : process.stderr;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // a writer into the stream listens to it as well, and reports that failure with more words
      if (stream.listenerCount('error') === 1) this.#endWith(error.code ?? error.message);
    });
    return stream;
  }

  #endWith(reason: string): never {
    if (reason === 'EPIPE') process.exit(process.exitCode ?? 0);
    if (this.#descriptor === 1) standardError.write(`ERROR: cannot write to standard output: ${reason}\n`);
    process.exit(1);
  }

  /** A terminal is a character device, as is `/dev/null`, where the output of jobs goes: that is memory (major number 1). */
  #mayBeTerminal(): boolean {
    try {
      const found = fstatSync(this.#descriptor);
      return found.isCharacterDevice() && found.rdev >> 8 !== 1;
    } catch {
      return false; // it is closed
    }
  }
}

export const standardOutput = new StandardStream(1);
export const standardError = new StandardStream(2);
