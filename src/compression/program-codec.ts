import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { requireProgram } from '../transport/find-program.ts';
import { failureOf } from '../transport/program-result.ts';
import { startProgram } from '../transport/run-program.ts';
import type { Codec, CodecSurroundings } from './codec.ts';

interface ProgramCodecOptions extends Pick<Codec, 'name' | 'levels'> {
  readonly magic: string;
  readonly compressWords: (level: number) => readonly string[];
  readonly decompressWords: readonly string[];
}

/** A codec that is the standard program of that name, reading standard input and writing standard output. */
export function programCodec({ name, levels, magic, compressWords, decompressWords }: ProgramCodecOptions): Codec {
  return {
    name,
    levels,
    magic: Buffer.from(magic, 'hex'),
    async compress(from, to, level, surroundings) {
      const words = [name, ...compressWords(level)];
      await filter({ words, from, to: () => createWriteStream(to, { flags: 'wx' }), ends: true, surroundings });
    },
    async decompress(from, to, surroundings) {
      await filter({ words: [name, ...decompressWords], from, to: () => to, ends: false, surroundings });
    },
  };
}

interface FilterOptions {
  readonly words: readonly string[];
  readonly from: string;
  /** Opened when the program runs: whoever waits for its errors has to be there already. */
  readonly to: () => NodeJS.WritableStream;
  readonly ends: boolean;
  readonly surroundings: CodecSurroundings;
}

async function filter({ words: [name = '', ...words], from, to, ends, surroundings }: FilterOptions): Promise<void> {
  const program = await requireProgram(name, surroundings.path, `WAL compressed with ${name}`);
  const running = await startProgram([program, ...words], { environment: surroundings.environment });
  const feeding = pipeline(createReadStream(from), running.stdin);
  const draining = pipeline(running.stdout, to(), { end: ends });
  const [fed, drained] = await Promise.allSettled([feeding, draining]);
  const result = await running.ended;
  if (drained.status === 'rejected') throw drained.reason; // the program then only failed because nobody took its output
  if (result.exitCode !== 0) throw failureOf(result, `${name} on ${from}`);
  if (fed.status === 'rejected') throw fed.reason;
}
