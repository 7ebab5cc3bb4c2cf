import { formatSize } from '../shared/units.ts';

/** Type and length. */
const headBytes = 5;
const readyForQuery = 'Z'.charCodeAt(0);
/** Larger than any value that is asked for. */
const mostMessageBytes = 64 * 1024 ** 2;
/** A million names of segments have a fifth of it. */
const mostAnswerBytes = 256 * 1024 ** 2;

/** Follows the lengths in what a server sends: what it answers to a query is kept in memory, and ends somewhere. */
export class AnswerLimits {
  readonly #head = Buffer.alloc(headBytes);
  #headLength = 0;
  /** Of the message under way. */
  #left = 0;
  #answerBytes = 0;

  /** Takes what came, in pieces of any length. @throws Error when it is more than a server of PostgreSQL has to say */
  add(bytes: Buffer): void {
    this.#answerBytes += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      if (this.#left > 0) {
        const count = Math.min(this.#left, bytes.length - at);
        this.#left -= count;
        at += count;
        continue;
      }
      this.#head[this.#headLength++] = bytes[at++] ?? 0;
      if (this.#headLength === headBytes) this.#begin();
    }
    if (this.#answerBytes > mostAnswerBytes) throw new Error(`its answer has more than ${formatSize(mostAnswerBytes)}`);
  }

  #begin(): void {
    this.#headLength = 0;
    const length = this.#head.readUInt32BE(1);
    if (length < 4 || length > mostMessageBytes) throw new Error(`it announces a message of ${formatSize(length)}`);
    this.#left = length - 4;
    if (this.#head[0] === readyForQuery) this.#answerBytes = 0;
  }
}
