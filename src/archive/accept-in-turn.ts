import { Readable } from 'node:stream';
import type { ServerLayout } from '../catalog/server-layout.ts';
import type { CodecSurroundings } from '../compression/codec.ts';
import type { Log } from '../shared/log.ts';
import { silentMessages } from '../shared/messages.ts';
import { expectedFailureOf, messageOf } from '../shared/operator-error.ts';
import { type AcceptContext, acceptWals } from './accept-wals.ts';

interface InTurn {
  readonly input: Readable;
  /** Takes a line for whoever sends. */
  readonly answer: (line: string) => void;
}

/**
 * Takes one tar stream after another as {@link acceptWals} does, through one connection: a line `tar BYTES` comes before each, and a line
 * goes back, `stored` or `refused`. Whoever was refused sends the files again in a call of their own, which tells why.
 */
export async function acceptInTurn(
  layout: ServerLayout,
  { input, answer }: InTurn,
  context: Omit<AcceptContext, 'messages'> & { readonly log: Log },
  surroundings: CodecSurroundings,
): Promise<void> {
  answer('pgcellar-put 1');
  const source = new Source(input);
  for (let line = await source.line(); line !== undefined; line = await source.line()) {
    const bytes = /^tar (\d{1,12})$/.exec(line)?.[1];
    if (bytes === undefined) throw new Error(`not a request of a session: ${line}`);
    const tar = source.bytes(Number(bytes));
    try {
      const accepting = { ...context, messages: silentMessages };
      await acceptWals(layout, Readable.from(tar, { objectMode: false }), accepting, surroundings);
      await source.finish();
      answer('stored');
    } catch (error) {
      if (expectedFailureOf(error) === undefined) throw error;
      context.log.info(`refused in a session: ${messageOf(error)}`);
      await source.finish();
      answer('refused');
    }
  }
}

/** Lines and runs of bytes of one stream, in turn. */
class Source {
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer = Buffer.alloc(0);
  #left = 0;

  constructor(input: Readable) {
    this.#chunks = (input as AsyncIterable<Buffer>)[Symbol.asyncIterator](); // no encoding is set
  }

  /** Undefined at the end of the stream. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#held.indexOf(10);
      if (end !== -1) {
        const line = this.#held.toString('latin1', 0, end);
        this.#held = this.#held.subarray(end + 1);
        return line;
      }
      if (!(await this.#more())) return undefined;
    }
  }

  /** The next `count` bytes; fewer when the stream ends. */
  async *bytes(count: number): AsyncGenerator<Buffer> {
    this.#left = count;
    while (this.#left > 0 && (this.#held.length > 0 || (await this.#more()))) {
      const piece = this.#held.subarray(0, this.#left);
      this.#held = this.#held.subarray(piece.length);
      this.#left -= piece.length;
      yield piece;
    }
  }

  /** Throws away what is left of the bytes. */
  async finish(): Promise<void> {
    const rest = this.bytes(this.#left);
    let isOver = false;
    while (!isOver) isOver = (await rest.next()).done === true;
  }

  async #more(): Promise<boolean> {
    const next = (await this.#chunks.next()) as IteratorResult<Buffer, undefined>; // the stream ends without a value
    if (next.done === true) return false;
    this.#held = this.#held.length === 0 ? next.value : Buffer.concat([this.#held, next.value]);
    return true;
  }
}
