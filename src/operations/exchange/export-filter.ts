import { type Duplex, PassThrough } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import type { Server } from '../../config/server.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { requireProgram } from '../../transport/programs/find-program.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { startProgram } from '../../transport/programs/run-program.ts';
import type { ExportCompression } from './export-name.ts';

/** A stream that changes the bytes that pass through it. */
export interface Filter {
  readonly input: NodeJS.WritableStream;
  readonly output: NodeJS.ReadableStream;
  /** To be awaited when everything came out. @throws OperatorError when it was not everything */
  finish(): Promise<void>;
}

const levels: Readonly<Record<ExportCompression, readonly [number, number]>> = { gzip: [1, 9], bzip2: [1, 9], xz: [0, 9] };

/** @throws OperatorError `options-contradict` for a level without a compression, or one that it does not know */
export function requireLevel(compression: ExportCompression | undefined, level: number | undefined): void {
  if (level === undefined) return;
  if (compression === undefined) {
    throw new OperatorError('options-contradict', '--compression-level needs --compression', {
      hint: 'add --compression gzip, bzip2 or xz',
    });
  }
  const [least, most] = levels[compression];
  if (level >= least && level <= most) return;
  throw new OperatorError(
    'options-contradict',
    `${compression} has compression levels from ${String(least)} to ${String(most)}, not ${String(level)}`,
  );
}

/** Compresses; without a level, with the default of the program. */
export async function compressing(
  compression: ExportCompression | undefined,
  level: number | undefined,
  server: Server,
): Promise<Filter> {
  if (compression === undefined) return through(new PassThrough());
  if (compression === 'gzip') return through(createGzip(level === undefined ? {} : { level }));
  return await program(compression, ['-z', '-c', ...(level === undefined ? [] : [`-${String(level)}`])], server);
}

/** Undoes {@link compressing}. */
export async function decompressing(compression: ExportCompression | undefined, server: Server): Promise<Filter> {
  if (compression === undefined) return through(new PassThrough());
  if (compression === 'gzip') return through(createGunzip());
  return await program(compression, ['-d', '-c'], server);
}

function through(step: Duplex): Filter {
  return { input: step, output: step, finish: () => Promise.resolve() };
}

async function program(name: 'bzip2' | 'xz', words: readonly string[], { programPath, environment }: Server): Promise<Filter> {
  const path = await requireProgram(name, programPath, `backups packed with ${name}`);
  const running = await startProgram([path, ...words], { environment });
  return {
    input: running.stdin,
    output: running.stdout,
    async finish() {
      const result = await running.ended;
      if (result.exitCode !== 0) throw failureOf(result, name);
    },
  };
}
