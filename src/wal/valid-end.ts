import { checksumBy } from '../shared/checksum.ts';
import { beginOfRecords, walkRecords } from './walk-records.ts';

/** PostgreSQL source, `access/xlogrecord.h`. */
const recordHeader = 24;
const crcOffset = 20;

/** Castagnoli's polynomial. */
const crc32c = checksumBy(0x82_f6_3b_78);

/**
 * Where the last valid record of a segment ends, in bytes from its begin: pages with the right address, records whose CRC fits and each of
 * which names the one before. A record that goes on in the next segment counts as far as it can be seen. Undefined for what is no
 * segment of a little-endian server.
 */
export function validEnd(segment: Buffer): number | undefined {
  let end = beginOfRecords(segment);
  for (const record of walkRecords(segment)) {
    if (record.isWhole && !hasRightCrc(record.bytes)) break;
    end = record.end;
  }
  return end;
}

/** The CRC covers the data first, then the header up to itself. */
function hasRightCrc(record: Buffer): boolean {
  return crc32c(record.subarray(0, crcOffset), crc32c(record.subarray(recordHeader))) === record.readUInt32LE(crcOffset);
}
