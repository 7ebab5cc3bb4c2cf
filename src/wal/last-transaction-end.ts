import { type WalRecord, walkRecords } from './walk-records.ts';

const transactionManager = 1;
/** Kinds of transaction records that carry the time at which recovery may stop: commit, abort, and both of a prepared transaction. */
const ends = new Set([0x00, 0x20, 0x30, 0x40]);
/** PostgreSQL counts from 2000-01-01. */
const epochMicros = 946_684_800_000_000n;

const shortData = 255;
const longData = 254;
const origin = 253;
const topTransaction = 252;

/**
 * When the last transaction ended whose commit or abort lies whole in the segment, microseconds since 1970-01-01; undefined when there is none, or
 * the bytes are no WAL.
 */
export function lastTransactionEnd(segment: Buffer): bigint | undefined {
  let last: bigint | undefined;
  for (const record of walkRecords(segment)) {
    if (record.manager !== transactionManager || !ends.has(record.info & 0x70) || !record.isWhole) continue;
    last = endOf(record) ?? last;
  }
  return last;
}

/** The main data of these records begins with the time (`access/xact.h`: xl_xact_commit, xl_xact_abort). */
function endOf({ bytes }: WalRecord): bigint | undefined {
  for (let at = 24; at + 2 <= bytes.length; ) {
    const id = bytes[at];
    if (id === origin) at += 3;
    else if (id === topTransaction) at += 5;
    else if (id === shortData || id === longData) {
      const data = at + (id === shortData ? 2 : 5);
      return data + 8 <= bytes.length ? bytes.readBigInt64LE(data) + epochMicros : undefined;
    } else return undefined; // these records have no blocks
  }
  return undefined;
}
