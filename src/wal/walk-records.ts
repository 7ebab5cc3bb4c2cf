import { firstPageBytes, parseFirstPage } from './first-page.ts';

/** A record that begins in a segment (PostgreSQL source, `access/xlogrecord.h`: XLogRecord). */
export interface WalRecord {
  /** Where it begins, bytes from the start of the WAL stream. */
  readonly position: bigint;
  /** Resource manager: 0 is XLOG, 1 is Transaction. */
  readonly manager: number;
  readonly info: number;
  /** The whole record with its header, as far as it lies in the segment. */
  readonly bytes: Buffer;
  /** False when it goes on in the next segment. */
  readonly isWhole: boolean;
}

const pageBytes = 8192;
const headerBytes = 24;
const longHeaderBytes = 40;
const continues = 0x0001;
const recordHeaderBytes = 24;
const alignment = 8;
/** PostgreSQL writes no longer ones (XLogRecordMaxSize, 1020 MiB). */
const longestRecord = 1020 << 20;
const xlogManager = 0;
const xlogSwitch = 0x40;

/**
 * The records that begin in a segment of a little-endian server, in their order, until what follows is no record: zeros, an older use of the
 * file, or the end. Each has to name the one before it, so that nothing of an older use is taken for a record.
 */
export function* walkRecords(segment: Buffer): Generator<WalRecord> {
  const first = parseFirstPage(segment.subarray(0, firstPageBytes));
  if (first === undefined) return;
  const payload = payloadOf(segment, first.position);
  let at = align(remainderIn(segment));
  let previous: bigint | undefined;
  while (at + recordHeaderBytes <= payload.length) {
    const length = payload.readUInt32LE(at);
    if (length < recordHeaderBytes || length > longestRecord) return;
    const linked = payload.readBigUInt64LE(at + 8);
    const position = first.position + BigInt(offsetOf(at));
    if (previous === undefined ? linked >= position : linked !== previous) return;
    const bytes = payload.subarray(at, at + length);
    const record = { position, manager: bytes[17] ?? 0, info: bytes[16] ?? 0, bytes, isWhole: bytes.length === length };
    yield record;
    // behind a switch the segment holds nothing more
    if (record.manager === xlogManager && (record.info & 0xf0) === xlogSwitch) return;
    previous = position;
    at += align(length);
  }
}

/** Bytes of a record at the start of the segment that began in the one before. */
function remainderIn(segment: Buffer): number {
  return (segment.readUInt16LE(2) & continues) === 0 ? 0 : segment.readUInt32LE(16);
}

/** What the pages hold behind their headers, up to the first page that does not lie where it says. */
function payloadOf(segment: Buffer, start: bigint): Buffer {
  const parts: Buffer[] = [];
  for (let page = 0; page + headerBytes <= segment.length; page += pageBytes) {
    if (page > 0 && segment.readBigUInt64LE(page + 8) !== start + BigInt(page)) break;
    parts.push(segment.subarray(page + (page === 0 ? longHeaderBytes : headerBytes), page + pageBytes));
  }
  return Buffer.concat(parts);
}

/** Where in the segment the byte of the payload lies. */
function offsetOf(at: number): number {
  const firstPayload = pageBytes - longHeaderBytes;
  if (at < firstPayload) return longHeaderBytes + at;
  const rest = at - firstPayload;
  const perPage = pageBytes - headerBytes;
  return pageBytes * (1 + Math.floor(rest / perPage)) + headerBytes + (rest % perPage);
}

function align(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}
