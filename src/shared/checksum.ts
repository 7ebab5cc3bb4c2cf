import { crc32 } from 'node:zlib';

/** Up to here the plain way takes less than loading `node:zlib`. */
const fewBytes = 65_536;

/**
 * CRC-32 (that of gzip) of some bytes, or of those before them as well.
 * @param before what this gave for the bytes before
 */
export function checksumOf(bytes: Uint8Array, before = 0): number {
  if (bytes.length <= fewBytes) return computed(bytes, before);
  const fast = crc32 as typeof crc32 | undefined; // Node has it since 20.15 and 22.2
  return fast === undefined ? computed(bytes, before) : fast(bytes, before);
}

/** The same by hand. */
const computed = checksumBy(0xed_b8_83_20);

/**
 * A CRC-32 with any polynomial, its bits in reverse order. The table is made when it is first needed: hardly any command does.
 * @returns what computes it; its second argument is what it gave for the bytes before
 */
export function checksumBy(polynomial: number): (bytes: Uint8Array, before?: number) => number {
  let table: Uint32Array | undefined;
  return (bytes, before = 0) => {
    const remainders = (table ??= tableOf(polynomial));
    let checksum = ~before;
    // by index: iterating is several times slower
    for (let at = 0; at < bytes.length; at++)
      checksum = (checksum >>> 8) ^ (remainders[(checksum ^ (bytes[at] ?? 0)) & 0xff] ?? 0);
    return ~checksum >>> 0;
  };
}

function tableOf(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? polynomial : 0);
    return remainder;
  });
}
