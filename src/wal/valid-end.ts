import { checksumBy } from '../shared/checksum.ts';
import { parseFirstPage } from './first-page.ts';

/** PostgreSQL source, `access/xlog_internal.h` and `access/xlogrecord.h`. */
const shortHeader = 24;
const longHeader = 40;
const recordHeader = 24;
const crcOffset = 20;
const continues = 0x0001;
const isLong = 0x0002;
const pageSizeAt = 36;

/**
 * Where the last valid record of a segment ends, in bytes from its begin: pages with the right address, records whose CRC fits and each of
 * which names the one before. A record that goes on in the next segment counts as far as it can be seen. Undefined for what is no
 * segment of a little-endian server.
 */
export function validEnd(segment: Buffer): number | undefined {
  const first = parseFirstPage(segment);
  if (first === undefined || (segment.readUInt16LE(2) & isLong) === 0) return undefined;
  return new RecordWalk(segment, first.position).run();
}

/** Castagnoli's polynomial. */
const crc32c = checksumBy(0x82_f6_3b_78);

interface Taken {
  readonly bytes: Buffer;
  readonly end: number;
  /** False when the segment ends before the record does. */
  readonly isWhole: boolean;
}

class RecordWalk {
  readonly #segment: Buffer;
  readonly #start: bigint;
  readonly #magic: number;
  readonly #pageSize: number;

  constructor(segment: Buffer, start: bigint) {
    this.#segment = segment;
    this.#start = start;
    this.#magic = segment.readUInt16LE(0);
    this.#pageSize = segment.readUInt32LE(pageSizeAt);
  }

  run(): number {
    const size = this.#segment.length;
    let end = this.#endOfContinued();
    let previous: bigint | undefined;
    while (end !== undefined && end < size) {
      const at = this.#beginOfRecord(end);
      const record = at === undefined ? undefined : this.#record(at);
      if (at === undefined || record === undefined) return end;
      const named = record.bytes.length < 16 ? undefined : record.bytes.readBigUInt64LE(8);
      if (previous !== undefined && named !== undefined && named !== previous) return end;
      if (!record.isWhole) return size;
      if (!hasRightCrc(record.bytes)) return end;
      previous = this.#start + BigInt(at);
      end = record.end;
    }
    return end ?? longHeader;
  }

  /** End of what the segment before left over; undefined when its pages are not there. */
  #endOfContinued(): number | undefined {
    if ((this.#segment.readUInt16LE(2) & continues) === 0) return longHeader;
    return this.#take(longHeader, this.#segment.readUInt32LE(16))?.end;
  }

  /** Records begin at multiples of eight, behind the header of their page. */
  #beginOfRecord(end: number): number | undefined {
    const at = Math.ceil(end / 8) * 8;
    if (at % this.#pageSize !== 0) return at;
    return at < this.#segment.length ? this.#behindHeader(at, 0) : undefined;
  }

  #record(at: number): Taken | undefined {
    if (at + 4 > this.#segment.length) return undefined;
    const length = this.#segment.readUInt32LE(at);
    return length < recordHeader ? undefined : this.#take(at, length);
  }

  /** So many bytes from `at` on, without the headers of the pages between them. */
  #take(at: number, length: number): Taken | undefined {
    const pieces: Buffer[] = [];
    let [from, missing] = [at, length];
    for (;;) {
      const here = Math.min(missing, this.#pageSize - (from % this.#pageSize));
      pieces.push(this.#segment.subarray(from, from + here));
      missing -= here;
      if (missing === 0) return { bytes: Buffer.concat(pieces), end: from + here, isWhole: true };
      const next = from + here;
      if (next >= this.#segment.length) return { bytes: Buffer.concat(pieces), end: this.#segment.length, isWhole: false };
      const behind = this.#behindHeader(next, missing);
      if (behind === undefined) return undefined;
      from = behind;
    }
  }

  /** Behind the header of the page at `at`, on which `left` bytes of a record have to go on. */
  #behindHeader(at: number, left: number): number | undefined {
    const page = this.#segment.subarray(at, at + longHeader);
    if (page.length < longHeader) return undefined;
    const flags = page.readUInt16LE(2);
    const isInPlace = page.readUInt16LE(0) === this.#magic && page.readBigUInt64LE(8) === this.#start + BigInt(at);
    const goesOn = (flags & continues) !== 0;
    if (!isInPlace || goesOn !== left > 0 || (goesOn && page.readUInt32LE(16) !== left)) return undefined;
    return at + ((flags & isLong) === 0 ? shortHeader : longHeader);
  }
}

/** The CRC covers the data first, then the header up to itself. */
function hasRightCrc(record: Buffer): boolean {
  return crc32c(record.subarray(0, crcOffset), crc32c(record.subarray(recordHeader))) === record.readUInt32LE(crcOffset);
}
