import { isUtf8 } from 'node:buffer';

/** A byte that is not UTF-8, as Python writes it into its strings: U+DC80 to U+DCFF, alone. */
const oddByte = /[\udc80-\udcff]/u;
const oddBytes = /([\udc80-\udcff])/u;
const firstOdd = 0xdc00;

/**
 * The name of a file as text. Names are bytes: what is not UTF-8 becomes lone surrogates, one for each byte, so that every name has a text
 * of its own and {@link bytesOf} gives its bytes back.
 */
export function nameOf(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  let name = '';
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    name += length === 0 ? String.fromCharCode(firstOdd + (bytes[at] ?? 0)) : bytes.toString('utf8', at, at + length);
    at += Math.max(length, 1);
  }
  return name;
}

/** The bytes of a name or a path. */
export function bytesOf(name: string): Buffer {
  if (!oddByte.test(name)) return Buffer.from(name);
  const pieces = name.split(oddBytes);
  return Buffer.concat(
    pieces.map((piece) => (oddByte.test(piece) ? Buffer.from([piece.charCodeAt(0) - firstOdd]) : Buffer.from(piece))),
  );
}

/** A path as the functions of `node:fs` take it, whatever bytes are in it. */
export function onDisk(path: string): string | Buffer {
  return oddByte.test(path) ? bytesOf(path) : path;
}

/** How many bytes the character has that begins there; 0 when none does. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  return at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)) ? length : 0;
}
