import { type FileHandle, open, readFile } from 'node:fs/promises';
import type { ProgramResult } from '../transport/programs/program-result.ts';
import { startOnFiles } from '../transport/programs/run-program.ts';
import type { CodecSurroundings } from './codec.ts';
import { StallWatch, stalled, usualStallMs } from './stall-watch.ts';

interface FilterFileOptions {
  readonly argv: readonly string[];
  readonly from: string;
  /** A new file of that path. */
  readonly to: string;
  readonly surroundings: Pick<CodecSurroundings, 'environment' | 'stallMs'>;
  /** Aborting it stops the program. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a program with one file as its standard input and another as its output, which costs only what the program does. An exit code is
 * never an exception. For programs that are known to read all of their input; see `runFilter` for others.
 * @throws OperatorError `command-failed` when it hangs
 */
export async function filterFile({ argv, from, to, surroundings, signal }: FilterFileOptions): Promise<ProgramResult> {
  const { environment, stallMs = usualStallMs } = surroundings;
  await using input = await open(from, 'r');
  await using output = await open(to, 'wx');
  const running = await startOnFiles(argv, {
    environment,
    stdin: input.fd,
    stdout: output.fd,
    ...(signal === undefined ? {} : { signal }),
  });
  const progress = async (): Promise<string> => `${await positionOf(input)} ${await positionOf(output)}`;
  const watch = new StallWatch({ stallMs, progress, onStall: () => running.abandon() });
  const result = await running.ended;
  watch.close();
  if (watch.hasStalled) throw stalled(from, stallMs);
  return result;
}

/** How far a file was read or written: the program has the very same open file, so its position is ours. */
async function positionOf({ fd }: FileHandle): Promise<string> {
  return (await readFile(`/proc/self/fdinfo/${String(fd)}`, 'utf8')).split('\n', 1)[0] ?? '';
}
