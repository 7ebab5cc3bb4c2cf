import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { ProgramResult } from '../transport/programs/program-result.ts';
import { startProgram } from '../transport/programs/run-program.ts';
import type { CodecSurroundings, PackedContent } from './codec.ts';
import { StallWatch, stalled, usualStallMs } from './stall-watch.ts';

interface FilterOptions {
  readonly argv: readonly string[];
  readonly from: PackedContent;
  /** A new file of that path, or a stream that is left open. */
  readonly to: string | NodeJS.WritableStream;
  readonly surroundings: CodecSurroundings;
}

/**
 * Sends bytes through a program from standard input to standard output. An exit code is never an exception.
 * @throws what the reading or the writing throws; OperatorError `command-failed` when a program is content with a part of its input, or
 * hangs
 */
export async function runFilter({ argv, from, to, surroundings }: FilterOptions): Promise<ProgramResult> {
  const { environment, stallMs = usualStallMs } = surroundings;
  const running = await startProgram(argv, { environment });
  let passed = 0;
  const count = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      passed += chunk.length;
      yield chunk;
    }
  };
  const isHeldUp = (): boolean => typeof to !== 'string' && 'writableNeedDrain' in to && to.writableNeedDrain === true;
  const progress = () => Promise.resolve(isHeldUp() ? undefined : String(passed));
  const watch = new StallWatch({ stallMs, progress, onStall: () => running.abandon() });
  const feeding = pipeline(from.open(), count, running.stdin);
  // opened only now: whoever waits for its errors has to be there already
  const output = typeof to === 'string' ? createWriteStream(to, { flags: 'wx' }) : to;
  const draining = pipeline(running.stdout, count, output, { end: typeof to === 'string' });
  const [fed, drained] = await Promise.allSettled([feeding, draining]);
  const result = await running.ended;
  watch.close();
  if (watch.hasStalled) throw stalled(from.name, stallMs);
  if (drained.status === 'rejected') throw drained.reason; // the program then only failed because nobody took its output
  if (result.exitCode === 0 && fed.status === 'rejected') throw feedingFailure(from.name, fed.reason);
  return result;
}

function feedingFailure(name: string, reason: unknown): unknown {
  if (!['ERR_STREAM_PREMATURE_CLOSE', 'EPIPE', 'ECONNRESET'].includes(systemCodeOf(reason) ?? '')) return reason;
  return new OperatorError('command-failed', `the program reported success although it did not read all of ${name}`, {
    cause: reason,
  });
}
