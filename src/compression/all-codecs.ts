import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import {
  type Codec,
  type CodecSurroundings,
  type CustomCompression,
  contentOf,
  type DetectedCompression,
  type PackedContent,
} from './codec.ts';
import { type CodecName, olderNames } from './codec-names.ts';
import { bzip2 } from './codecs/bzip2.ts';
import { gzip } from './codecs/gzip.ts';
import { lz4 } from './codecs/lz4.ts';
import { pigz } from './codecs/pigz.ts';
import { snappy } from './codecs/snappy.ts';
import { xz } from './codecs/xz.ts';
import { zstd } from './codecs/zstd.ts';
import { customCodec } from './custom-codec.ts';

/** One codec for each name. */
const codecs: Readonly<Record<CodecName, Codec>> = { bzip2, gzip, lz4, pigz, snappy, xz, zstd };

/** All but the custom one, which each server has its own of. */
export const allCodecs: readonly Codec[] = Object.values(codecs);

const longestMagic = Math.max(...allCodecs.map(({ magic }) => magic.length));
const beforeCustom = allCodecs.filter(({ isTestedBeforeCustom = false }) => isTestedBeforeCustom);

/** The codec that writes what a configured `compression` asks for; undefined for a name that is none. */
export function codecFor(name: string, custom?: CustomCompression): Codec | undefined {
  if (name === 'custom') return custom === undefined ? undefined : customCodec(custom);
  const written = isOlderName(name) ? olderNames[name] : name;
  return allCodecs.find((codec) => codec.name === written);
}

/**
 * The compression whose magic the content begins with (docs/reference/catalog.md section 8.1); undefined for plain content. See {@link headLength} for
 * how many bytes it wants to see.
 */
export function detectCompression(firstBytes: Buffer, custom?: CustomCompression): DetectedCompression | undefined {
  const isOf = ({ magic }: Codec): boolean => startsWith(firstBytes, magic);
  if (beforeCustom.some(isOf)) return beforeCustom.find(isOf)?.family;
  if (custom?.magic !== undefined && startsWith(firstBytes, custom.magic)) return 'custom';
  return allCodecs.find(isOf)?.family ?? (custom?.isAssumed === true ? 'custom' : undefined);
}

/** Bytes of a file's beginning that tell its compression. */
export function headLength(custom?: CustomCompression): number {
  return Math.max(longestMagic, custom?.magic?.length ?? 0);
}

/** As {@link detectCompression}, for the file at `path`. */
export async function detectCompressionOf(path: string, custom?: CustomCompression): Promise<DetectedCompression | undefined> {
  return detectCompression(await readHead(path, headLength(custom)), custom);
}

/** The first bytes of a file, fewer when it is shorter. */
export async function readHead(path: string, length: number): Promise<Buffer> {
  await using file = await open(path, 'r');
  const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

/** Writes the plain content of a file that may be compressed, and leaves the stream open. */
export async function writePlainContent(
  path: string,
  to: NodeJS.WritableStream,
  surroundings: CodecSurroundings,
): Promise<void> {
  await decompress(contentOf(path), await detectCompressionOf(path, surroundings.custom), { to, surroundings });
}

/** Writes content plain that was recognised as what `compression` says, and leaves the stream open. */
export async function decompress(
  from: PackedContent,
  compression: DetectedCompression | undefined,
  { to, surroundings }: { readonly to: NodeJS.WritableStream; readonly surroundings: CodecSurroundings },
): Promise<void> {
  const codec = compression === undefined ? undefined : codecFor(compression, surroundings.custom);
  if (codec === undefined) await pipeline(from.open(), to, { end: false });
  else await codec.decompress(from, to, surroundings);
}

function isOlderName(name: string): name is keyof typeof olderNames {
  return Object.hasOwn(olderNames, name);
}

function startsWith(bytes: Buffer, magic: Buffer): boolean {
  return bytes.subarray(0, magic.length).equals(magic);
}
