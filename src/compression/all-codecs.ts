import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { OperatorError } from '../shared/operator-error.ts';
import type { Codec, CodecSurroundings, CompressionName, DetectedCompression } from './codec.ts';
import { bzip2 } from './codecs/bzip2.ts';
import { gzip } from './codecs/gzip.ts';
import { lz4 } from './codecs/lz4.ts';
import { xz } from './codecs/xz.ts';
import { zstd } from './codecs/zstd.ts';

export const allCodecs: readonly Codec[] = [bzip2, gzip, lz4, xz, zstd];

const snappyMagic = Buffer.from('ff060000734e61507059', 'hex');
const longestMagic = 10;
const codecNameOf: Readonly<Record<CompressionName, DetectedCompression>> = {
  gzip: 'gzip',
  pigz: 'gzip',
  pygzip: 'gzip',
  bzip2: 'bzip2',
  pybzip2: 'bzip2',
  xz: 'xz',
  zstd: 'zstd',
  lz4: 'lz4',
};

/** The codec that writes what a configured `compression` asks for; undefined for `custom` and `snappy`, which are not built yet. */
export function codecFor(name: string): Codec | undefined {
  const family = Object.hasOwn(codecNameOf, name) ? codecNameOf[name as CompressionName] : undefined; // it is one of its keys
  return allCodecs.find((codec) => codec.name === family);
}

/** The compression whose magic a file begins with (catalog.md section 8.1); undefined for a plain file. */
export function detectCompression(firstBytes: Buffer): DetectedCompression | undefined {
  if (startsWith(firstBytes, snappyMagic)) return 'snappy';
  return allCodecs.find(({ magic }) => startsWith(firstBytes, magic))?.name;
}

/** As {@link detectCompression}, for the file at `path`. */
export async function detectCompressionOf(path: string): Promise<DetectedCompression | undefined> {
  await using file = await open(path, 'r');
  const { bytesRead, buffer } = await file.read(Buffer.alloc(longestMagic), 0, longestMagic, 0);
  return detectCompression(buffer.subarray(0, bytesRead));
}

/**
 * Writes the plain content of a file that may be compressed, and leaves the stream open.
 * @throws OperatorError `not-available-yet` for snappy
 */
export async function writePlainContent(
  path: string,
  to: NodeJS.WritableStream,
  surroundings: CodecSurroundings,
): Promise<void> {
  const detected = await detectCompressionOf(path);
  if (detected === undefined) {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), to, { end: false });
    return;
  }
  const codec = allCodecs.find(({ name }) => name === detected);
  if (codec === undefined) {
    throw new OperatorError(
      'not-available-yet',
      `${path} is compressed with ${detected}, which is not available yet in pgcellar`,
    );
  }
  await codec.decompress(path, to, surroundings);
}

function startsWith(bytes: Buffer, magic: Buffer): boolean {
  return bytes.subarray(0, magic.length).equals(magic);
}
