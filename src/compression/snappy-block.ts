/** Compressed bytes that make no sense. */
export class SnappyDamage extends Error {}

const hashBits = 14;
const leastMatch = 4;
/** Tries without a match after which the search begins to skip bytes: what does not compress is left alone soon. */
const patience = 32;

/** Compresses at most 64 KiB into one block of the snappy format: its plain length, then literals and copies of what came before. */
export function compressBlock(input: Buffer): Buffer {
  const output = new BlockWriter(input);
  const seenAt = new Uint16Array(1 << hashBits);
  const lastMatch = input.length - leastMatch;
  let literalStart = 0;
  for (let at = 1, tries = patience; at <= lastMatch; ) {
    const word = input.readInt32LE(at);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - hashBits);
    const candidate = seenAt[slot] ?? 0;
    seenAt[slot] = at;
    if (candidate >= at || input.readInt32LE(candidate) !== word) {
      at += Math.floor(tries++ / patience);
      continue;
    }
    let length = leastMatch;
    while (at + length < input.length && input[candidate + length] === input[at + length]) length++;
    output.literal(literalStart, at);
    output.copy(at - candidate, length);
    at += length;
    literalStart = at;
    tries = patience;
  }
  output.literal(literalStart, input.length);
  return output.end();
}

class BlockWriter {
  readonly #input: Buffer;
  readonly #bytes: Buffer;
  #at = 0;

  constructor(input: Buffer) {
    this.#input = input;
    this.#bytes = Buffer.allocUnsafe(32 + input.length + Math.ceil(input.length / 6)); // as the reference bounds it
    let rest = input.length;
    for (; rest >= 0x80; rest >>>= 7) this.#put((rest & 0x7f) | 0x80);
    this.#put(rest);
  }

  literal(start: number, end: number): void {
    const last = end - start - 1;
    if (last < 0) return;
    if (last < 60) this.#put(last << 2);
    else if (last < 0x100) this.#putNumber(60 << 2, last, 1);
    else this.#putNumber(61 << 2, last, 2);
    this.#at += this.#input.copy(this.#bytes, this.#at, start, end);
  }

  copy(offset: number, length: number): void {
    let rest = length;
    for (; rest >= 68; rest -= 64) this.#longCopy(offset, 64);
    if (rest > 64) {
      this.#longCopy(offset, 60); // so that at least the 4 bytes of a short copy are left
      rest -= 60;
    }
    if (rest >= 12 || offset >= 2048) this.#longCopy(offset, rest);
    else this.#putNumber(0b01 | ((rest - 4) << 2) | ((offset >>> 8) << 5), offset & 0xff, 1);
  }

  end(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #longCopy(offset: number, length: number): void {
    this.#putNumber(0b10 | ((length - 1) << 2), offset, 2);
  }

  #putNumber(tag: number, value: number, bytes: number): void {
    this.#put(tag);
    for (let rest = value, left = bytes; left > 0; left--, rest >>>= 8) this.#put(rest & 0xff);
  }

  #put(byte: number): void {
    this.#bytes[this.#at++] = byte;
  }
}

/**
 * The plain bytes of a block.
 * @throws SnappyDamage also when they would be more than `most`
 */
export function decompressBlock(input: Buffer, most: number): Buffer {
  const reader = new BlockReader(input);
  const length = reader.varint();
  if (length > most) throw new SnappyDamage('a block is too long');
  const output = Buffer.allocUnsafe(length);
  let at = 0;
  while (!reader.isAtEnd) {
    const tag = reader.number(1);
    const kind = tag & 0b11;
    if (kind === 0) {
      const literal = reader.literal(tag >>> 2);
      requireRoom(output, at, literal.length);
      at += literal.copy(output, at);
      continue;
    }
    const size = kind === 1 ? ((tag >>> 2) & 0b111) + 4 : (tag >>> 2) + 1;
    const offset = kind === 1 ? ((tag >>> 5) << 8) | reader.number(1) : reader.number(kind === 2 ? 2 : 4);
    if (offset === 0 || offset > at) throw new SnappyDamage('a copy points before its block');
    requireRoom(output, at, size);
    if (offset >= size) output.copyWithin(at, at - offset, at - offset + size);
    else for (let index = at; index < at + size; index++) output[index] = output[index - offset] ?? 0; // repeats what it writes
    at += size;
  }
  if (at !== length) throw new SnappyDamage('a block is too short');
  return output;
}

function requireRoom(output: Buffer, at: number, size: number): void {
  if (at + size > output.length) throw new SnappyDamage('a block is longer than it says');
}

class BlockReader {
  readonly #input: Buffer;
  #at = 0;

  constructor(input: Buffer) {
    this.#input = input;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#input.length;
  }

  number(bytes: number): number {
    this.#require(bytes);
    const value = this.#input.readUIntLE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 32; shift += 7) {
      const byte = this.number(1);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new SnappyDamage('the length of a block is no number');
  }

  /** `size` is what the tag says: the length less one, or in how many bytes that follows. */
  literal(size: number): Buffer {
    const length = (size < 60 ? size : this.number(size - 59)) + 1;
    this.#require(length);
    const bytes = this.#input.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  #require(bytes: number): void {
    if (this.#at + bytes > this.#input.length) throw new SnappyDamage('a block is cut off');
  }
}
