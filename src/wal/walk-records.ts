import { parseFirstPage } from './wal-name.ts';

/** A record that begins in a segment (PostgreSQL source, `access/xlogrecord.h`: XLogRecord). */
export interface WalRecord {
  /** Where it begins, bytes from the start of the WAL stream. */
  readonly position: bigint;
  /** Resource manager: 0 is XLOG, 1 is Transaction; undefined when the segment ends before it says. */
  readonly manager: number | undefined;
  readonly info: number;
  /** The whole record with its header, as far as it lies in the segment. */
  readonly bytes: Buffer;
  /** Bytes from the start of the segment to behind the record, or to the end of the segment. */
  readonly end: number;
  /** False when it goes on in the next segment. */
  readonly isWhole: boolean;
}

/** PostgreSQL source, `access/xlog_internal.h`: XLogPageHeaderData and XLogLongPageHeaderData. */
const shortHeaderBytes = 24;
const longHeaderBytes = 40;
const pageSizeAt = 36;
const continues = 0x0001;
const isLong = 0x0002;
const pageSizes = { least: 1 << 10, most: 1 << 16 };
const recordHeaderBytes = 24;
const alignment = 8;
/** PostgreSQL writes no longer ones (XLogRecordMaxSize, 1020 MiB). */
const longestRecord = 1020 << 20;
const xlogManager = 0;
const xlogSwitch = 0x40;

/**
 * The records that begin in a segment of a little-endian server, in their order, until what follows is no record: zeros, an older use of the
 * file, or the end. Each has to name the one before it, and each page has to say where it lies and how much of a record it goes on with, so that
 * nothing of an older use is taken for a record. The size of the pages is what the segment says.
 */
export function* walkRecords(segment: Buffer): Generator<WalRecord> {
  const pages = pagesOf(segment);
  if (pages === undefined) return;
  let end = pages.begin;
  let previous: bigint | undefined;
  while (end !== undefined && end < segment.length) {
    const at = pages.beginOfRecord(end);
    const record = at === undefined ? undefined : pages.record(at);
    if (record === undefined) return;
    const linked = record.bytes.length < 16 ? undefined : record.bytes.readBigUInt64LE(8);
    if (linked !== undefined && (previous === undefined ? linked >= record.position : linked !== previous)) return;
    yield record;
    // behind a switch the segment holds nothing more
    if (!record.isWhole || (record.manager === xlogManager && (record.info & 0xf0) === xlogSwitch)) return;
    previous = record.position;
    end = record.end;
  }
}

/**
 * Where the first record of a segment can begin: behind the header, and what the segment before left over.
 * @returns undefined for what is no segment of a little-endian server
 */
export function beginOfRecords(segment: Buffer): number | undefined {
  const pages = pagesOf(segment);
  return pages === undefined ? undefined : (pages.begin ?? longHeaderBytes);
}

function pagesOf(segment: Buffer): Pages | undefined {
  const first = parseFirstPage(segment);
  if (first === undefined || (segment.readUInt16LE(2) & isLong) === 0) return undefined;
  const pageSize = segment.readUInt32LE(pageSizeAt);
  const isPossible = pageSize >= pageSizes.least && pageSize <= pageSizes.most && (pageSize & (pageSize - 1)) === 0;
  return isPossible ? new Pages(segment, first.position, pageSize) : undefined;
}

interface Taken {
  readonly bytes: Buffer;
  readonly end: number;
  readonly isWhole: boolean;
}

/** A segment as pages with headers, which records go over. */
class Pages {
  readonly #segment: Buffer;
  readonly #start: bigint;
  readonly #magic: number;
  readonly #pageSize: number;

  constructor(segment: Buffer, start: bigint, pageSize: number) {
    this.#segment = segment;
    this.#start = start;
    this.#magic = segment.readUInt16LE(0);
    this.#pageSize = pageSize;
  }

  /** End of what the segment before left over; undefined when its pages are not there. */
  get begin(): number | undefined {
    if ((this.#segment.readUInt16LE(2) & continues) === 0) return longHeaderBytes;
    return this.#take(longHeaderBytes, this.#segment.readUInt32LE(16))?.end;
  }

  /** Records begin at multiples of eight, behind the header of their page. */
  beginOfRecord(end: number): number | undefined {
    const at = Math.ceil(end / alignment) * alignment;
    if (at % this.#pageSize !== 0) return at;
    return at < this.#segment.length ? this.#behindHeader(at, 0) : undefined;
  }

  record(at: number): WalRecord | undefined {
    if (at + 4 > this.#segment.length) return undefined;
    const length = this.#segment.readUInt32LE(at);
    if (length < recordHeaderBytes || length > longestRecord) return undefined;
    const taken = this.#take(at, length);
    if (taken === undefined) return undefined;
    const { bytes, end, isWhole } = taken;
    return { position: this.#start + BigInt(at), manager: bytes[17], info: bytes[16] ?? 0, bytes, end, isWhole };
  }

  /** So many bytes from `at` on, without the headers of the pages between them. */
  #take(at: number, length: number): Taken | undefined {
    const size = this.#segment.length;
    // most records lie on one page
    if (length <= this.#pageSize - (at % this.#pageSize) && at + length <= size) {
      return { bytes: this.#segment.subarray(at, at + length), end: at + length, isWhole: true };
    }
    const pieces: Buffer[] = [];
    let [from, missing] = [at, length];
    for (;;) {
      const next = Math.min(from + Math.min(missing, this.#pageSize - (from % this.#pageSize)), size);
      pieces.push(this.#segment.subarray(from, next));
      missing -= next - from;
      if (missing === 0) return { bytes: Buffer.concat(pieces), end: next, isWhole: true };
      if (next + shortHeaderBytes > size) return { bytes: Buffer.concat(pieces), end: size, isWhole: false };
      const behind = this.#behindHeader(next, missing);
      if (behind === undefined) return undefined;
      from = behind;
    }
  }

  /** Behind the header of the page at `at`, on which `left` bytes of a record have to go on. */
  #behindHeader(at: number, left: number): number | undefined {
    if (at + shortHeaderBytes > this.#segment.length) return undefined;
    const flags = this.#segment.readUInt16LE(at + 2);
    const isInPlace =
      this.#segment.readUInt16LE(at) === this.#magic && this.#segment.readBigUInt64LE(at + 8) === this.#start + BigInt(at);
    const goesOn = (flags & continues) !== 0;
    if (!isInPlace || goesOn !== left > 0 || (goesOn && this.#segment.readUInt32LE(at + 16) !== left)) return undefined;
    return at + ((flags & isLong) === 0 ? shortHeaderBytes : longHeaderBytes);
  }
}
