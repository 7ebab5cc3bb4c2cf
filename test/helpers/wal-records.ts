// A WAL segment with records as PostgreSQL writes them: page headers, records that name the one before, CRC-32C.
import { checksumBy } from '../../src/shared/checksum.ts';
import { aSegment } from './wal-segment.ts';

const crc32c = checksumBy(0x82_f6_3b_78);
const pageBytes = 8192;
const mebibyte = 1 << 20;

/** Segment `number` of 1 MiB on timeline 1 with records of these lengths; zeros behind them. */
export function segmentOfRecords(lengths: readonly number[], number = 2): Buffer {
  const segment = aSegment(number);
  segment.fill(0, 40);
  segment.fill(0, 20, 24); // padding, which is random in other tests
  const start = BigInt(number) * BigInt(mebibyte);
  let at = 40;
  let previous = 0n;
  for (const length of lengths) {
    at = Math.ceil(at / 8) * 8;
    const record = Buffer.alloc(length, length % 251);
    record.writeUInt32LE(length, 0);
    record.writeBigUInt64LE(previous, 8);
    record.writeUInt32LE(crc32c(record.subarray(0, 20), crc32c(record.subarray(24))), 20);
    previous = start + BigInt(at);
    at = writeRecord(segment, record, at, start);
  }
  return segment;
}

function writeRecord(segment: Buffer, record: Buffer, at: number, start: bigint): number {
  let [to, done] = [at, 0];
  while (done < record.length) {
    const here = Math.min(record.length - done, pageBytes - (to % pageBytes));
    record.copy(segment, to, done, done + here);
    done += here;
    to += here;
    if (done === record.length) break;
    segment.writeUInt16LE(segment.readUInt16LE(0), to);
    segment.writeUInt16LE(1, to + 2);
    segment.writeUInt32LE(1, to + 4);
    segment.writeBigUInt64LE(start + BigInt(to), to + 8);
    segment.writeUInt32LE(record.length - done, to + 16);
    to += 24;
  }
  return to;
}
