import { findProgram, programMissing } from '../transport/programs/find-program.ts';
import { failureOf, lastLines } from '../transport/programs/program-result.ts';
import { type Codec, type CodecSurroundings, damageIn, levelFor } from './codec.ts';
import { filterFile } from './filter-file.ts';
import { runFilter } from './run-filter.ts';

interface ProgramCodecOptions extends Pick<Codec, 'name' | 'family' | 'levels' | 'unpacker' | 'isTestedBeforeCustom'> {
  /** Debian package that brings the program, where it has another name. */
  readonly package?: string;
  readonly magic: string;
  readonly compressWords: (level: number) => readonly string[];
  /** For `medium`, where something suits WAL better than the level of that name. */
  readonly mediumWords?: readonly string[];
  readonly decompressWords: readonly string[];
}

/** A codec that is the standard program of that name, reading standard input and writing standard output. */
export function programCodec(options: ProgramCodecOptions): Codec {
  const { magic, compressWords, mediumWords, decompressWords, package: brings = options.name, ...codec } = options;
  const argvOf = async (words: readonly string[], { path }: CodecSurroundings): Promise<string[]> => {
    const program = await findProgram(codec.name, path);
    if (program === undefined) throw programMissing(codec.name, `what is compressed with ${codec.name}`, { package: brings });
    return [program, ...words];
  };
  return {
    ...codec,
    program: { name: codec.name, package: brings },
    magic: Buffer.from(magic, 'hex'),
    async compress(from, to, level, surroundings) {
      const words = (level === 'medium' ? mediumWords : undefined) ?? compressWords(levelFor(codec, level));
      const argv = await argvOf(words, surroundings);
      const result = await filterFile({ argv, from, to, surroundings });
      if (result.exitCode !== 0) throw failureOf(result, `${codec.name} on ${from}`);
    },
    async decompress(from, to, surroundings) {
      const argv = await argvOf(decompressWords, surroundings);
      const result = await runFilter({ argv, from, to, surroundings });
      if (result.exitCode === 0) return;
      if (result.signal !== undefined) throw failureOf(result, `${codec.name} on ${from.name}`); // it was stopped: no word about the file
      throw damageIn(from.name, `${codec.name} ended with ${String(result.exitCode)}: ${lastLines(result.stderr, 3)}`);
    },
  };
}
