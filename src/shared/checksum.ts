import zlib from 'node:zlib';

/**
 * CRC-32 (that of gzip) of some bytes, or of those before them as well.
 * @param before what this gave for the bytes before
 */
export function checksumOf(bytes: Uint8Array, before = 0): number {
  const fast = (zlib as { readonly crc32?: typeof zlib.crc32 }).crc32; // Node has it since 20.15 and 22.2
  return fast === undefined ? computed(bytes, before) : fast(bytes, before);
}

function computed(bytes: Uint8Array, before: number): number {
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0xed_b8_83_20 : 0);
    return remainder;
  });
  let checksum = ~before;
  for (const byte of bytes) checksum = (checksum >>> 8) ^ (table[(checksum ^ byte) & 0xff] ?? 0);
  return ~checksum >>> 0;
}
