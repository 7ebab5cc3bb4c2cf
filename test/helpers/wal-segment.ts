// WAL segments as far as anybody looks who is not PostgreSQL: the header of the first page, then bytes that do not compress.
import { randomBytes } from 'node:crypto';

export const systemid = 7711427401135239737n;
const mebibyte = 1 << 20;

interface SegmentOptions {
  readonly timeline?: number;
  readonly bytes?: number;
  readonly systemid?: bigint;
}

/** Segment number `number` of its timeline, 1 MiB unless said otherwise. */
export function aSegment(
  number: number,
  { timeline = 1, bytes = mebibyte, systemid: cluster = systemid }: SegmentOptions = {},
): Buffer {
  const content = randomBytes(bytes);
  content.writeUInt16LE(0xd110, 0);
  content.writeUInt16LE(2, 2);
  content.writeUInt32LE(timeline, 4);
  content.writeBigUInt64LE(BigInt(number) * BigInt(bytes), 8);
  content.writeUInt32LE(0, 16);
  content.writeBigUInt64LE(cluster, 24);
  content.writeUInt32LE(bytes, 32);
  content.writeUInt32LE(8192, 36);
  return content;
}

/** Its name; log files have 4 GiB, whatever the size of a segment. */
export function nameOfSegment(number: number, { timeline = 1, bytes = mebibyte }: SegmentOptions = {}): string {
  const hex = (value: number) => value.toString(16).toUpperCase().padStart(8, '0');
  const perLog = 2 ** 32 / bytes;
  return `${hex(timeline)}${hex(Math.floor(number / perLog))}${hex(number % perLog)}`;
}
