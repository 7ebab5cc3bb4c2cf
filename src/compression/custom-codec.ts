import { OperatorError } from '../shared/operator-error.ts';
import { lastLines } from '../transport/programs/program-result.ts';
import {
  type Codec,
  type CodecSurroundings,
  type CustomCompression,
  contentOf,
  noLevels,
  type PackedContent,
} from './codec.ts';
import { runFilter } from './run-filter.ts';

interface CustomOptions {
  readonly compression?: string | undefined;
  readonly custom_compression_filter?: string | undefined;
  readonly custom_decompression_filter?: string | undefined;
  readonly custom_compression_magic?: string | undefined;
}

/** The custom compression of a server; undefined when no command is set. */
export function customCompressionOf(options: CustomOptions): CustomCompression | undefined {
  const { custom_compression_filter: compressFilter, custom_decompression_filter: decompressFilter } = options;
  if (compressFilter === undefined && decompressFilter === undefined) return undefined;
  const digits = options.custom_compression_magic?.replace(/^0x/i, '') ?? '';
  const magic = digits === '' ? undefined : Buffer.from(digits, 'hex');
  // with another compression now, what is not recognised can still be a file from before; without any it is plain
  const isAssumed = magic === undefined && decompressFilter !== undefined && options.compression !== undefined;
  return { compressFilter, decompressFilter, magic, isAssumed };
}

/**
 * The codec made of the two commands of a server, each run by a shell from standard input to standard output. Their failures say
 * nothing about a file: a command may be wrong as well.
 */
export function customCodec({ compressFilter, decompressFilter, magic }: CustomCompression): Codec {
  return {
    name: 'custom',
    family: 'custom',
    magic: magic ?? Buffer.alloc(0),
    levels: noLevels,
    async compress(from, to, _level, surroundings) {
      await filter('custom_compression_filter', compressFilter, { from: contentOf(from), to, surroundings });
    },
    async decompress(from, to, surroundings) {
      await filter('custom_decompression_filter', decompressFilter, { from, to, surroundings });
    },
  };
}

interface Filtering {
  readonly from: PackedContent;
  readonly to: string | NodeJS.WritableStream;
  readonly surroundings: CodecSurroundings;
}

/** The command itself is never repeated in a message: it can hold a secret. */
async function filter(option: string, command: string | undefined, { from, to, surroundings }: Filtering): Promise<void> {
  if (command === undefined) {
    throw new OperatorError('configuration-invalid', `${option} is not set; ${from.name} needs it`);
  }
  const result = await runFilter({ argv: ['/bin/sh', '-c', command], from, to, surroundings });
  if (result.exitCode === 0) return;
  const reason = result.signal === undefined ? `exit code ${String(result.exitCode)}` : `signal ${result.signal}`;
  const said = lastLines(result.stderr, 3);
  throw new OperatorError('command-failed', `${option} on ${from.name} failed (${reason})${said === '' ? '' : `: ${said}`}`, {
    hint: 'run the command of that option by hand, as the user that pgcellar runs as',
  });
}
