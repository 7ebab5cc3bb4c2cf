import { checksumBy } from '../shared/checksum.ts';
import { compressBlock, decompressBlock, SnappyDamage } from './snappy-block.ts';

export { SnappyDamage };

/** The framing format of snappy: what Python and the command line tools write to files. */
const streamIdentifier = Buffer.from('ff060000734e61507059', 'hex');
const compressedChunk = 0x00;
const plainChunk = 0x01;
const firstSkippableChunk = 0x80;
const identifierChunk = 0xff;
/** Most plain bytes of one chunk. */
const chunkBytes = 65_536;
const headerBytes = 4;
const checksumBytes = 4;

/** Plain bytes to frames. */
export async function* writeSnappyFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield streamIdentifier;
  for await (const bytes of source) {
    for (let start = 0; start < bytes.length; start += chunkBytes) yield frameOf(bytes.subarray(start, start + chunkBytes));
  }
}

/**
 * Frames to plain bytes; several streams may follow each other.
 * @throws SnappyDamage
 */
export async function* readSnappyFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer = Buffer.alloc(0);
  let hasBegun = false;
  for await (const bytes of source) {
    pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    let at = 0;
    for (let end = endOfChunk(pending, at); end <= pending.length; end = endOfChunk(pending, at)) {
      const type = pending.readUInt8(at);
      if (!hasBegun && type !== identifierChunk) throw new SnappyDamage('it does not begin as a snappy stream');
      hasBegun = true;
      const plain = plainOf(type, pending.subarray(at + headerBytes, end));
      if (plain !== undefined) yield plain;
      at = end;
    }
    pending = pending.subarray(at);
  }
  if (!hasBegun || pending.length > 0) throw new SnappyDamage('it is cut off');
}

function frameOf(plain: Buffer): Buffer {
  const compressed = compressBlock(plain);
  const isSmaller = compressed.length < plain.length - plain.length / 8; // as the reference does: else not worth unpacking
  const data = isSmaller ? compressed : plain;
  const header = Buffer.allocUnsafe(headerBytes + checksumBytes);
  header.writeUInt8(isSmaller ? compressedChunk : plainChunk, 0);
  header.writeUIntLE(checksumBytes + data.length, 1, 3);
  header.writeUInt32LE(maskedChecksum(plain), headerBytes);
  return Buffer.concat([header, data]);
}

/** Where the chunk at `at` ends; beyond all bytes when not even its header is there. */
function endOfChunk(bytes: Buffer, at: number): number {
  if (at + headerBytes > bytes.length) return Number.POSITIVE_INFINITY;
  return at + headerBytes + bytes.readUIntLE(at + 1, 3);
}

/** Undefined for a chunk without content. */
function plainOf(type: number, body: Buffer): Buffer | undefined {
  if (type === identifierChunk) {
    if (!body.equals(streamIdentifier.subarray(headerBytes))) throw new SnappyDamage('its stream identifier is wrong');
    return undefined;
  }
  if (type >= firstSkippableChunk) return undefined;
  if (type !== compressedChunk && type !== plainChunk)
    throw new SnappyDamage(`it has a chunk of the unknown type ${String(type)}`);
  if (body.length < checksumBytes) throw new SnappyDamage('a chunk is too short');
  const data = body.subarray(checksumBytes);
  const plain = type === compressedChunk ? decompressBlock(data, chunkBytes) : data;
  if (maskedChecksum(plain) !== body.readUInt32LE(0)) throw new SnappyDamage('a checksum is wrong');
  return plain;
}

/** CRC-32C, rotated and shifted so that it can be stored beside what it was computed from. */
function maskedChecksum(bytes: Uint8Array): number {
  const checksum = crc32c(bytes);
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
}

/** CRC-32 with Castagnoli's polynomial; `node:zlib` only has the other one. */
export const crc32c = checksumBy(0x82f63b78);
