import { expect, test } from 'vitest';
import { parseFirstPage } from '../../../src/wal/wal-name.ts';

const segmentSize = 1 << 20;

test('the first page of a segment tells timeline, position, cluster and segment size, in either byte order', () => {
  const little = Buffer.alloc(40);
  little.writeUInt16LE(0xd110, 0);
  little.writeUInt16LE(2, 2);
  little.writeUInt32LE(2, 4);
  little.writeBigUInt64LE(3n * BigInt(segmentSize), 8);
  little.writeBigUInt64LE(42n, 24);
  little.writeUInt32LE(segmentSize, 32);
  expect(parseFirstPage(little)).toEqual({ timeline: 2, position: 3n * BigInt(segmentSize), systemid: 42n, segmentSize });
  const big = Buffer.alloc(40);
  big.writeUInt16BE(0xd118, 0);
  big.writeUInt16BE(2, 2);
  big.writeUInt32BE(7, 4);
  big.writeUInt32BE(segmentSize, 32);
  expect(parseFirstPage(big)?.timeline).toBe(7);
  expect(parseFirstPage(Buffer.alloc(40))).toBeUndefined();
  expect(parseFirstPage(Buffer.alloc(10))).toBeUndefined();
});
