import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { expect, test } from 'vitest';
import { checksumOf } from '../../../src/shared/checksum.ts';

test.each([0, 1, 1000, 65_536, 65_537, 300_000])('the checksum of %s bytes is that of gzip', (length) => {
  const bytes = randomBytes(length);
  expect(checksumOf(bytes)).toBe(crc32(bytes));
});

test.each([0, 10, 65_536, 100_000])('a checksum goes on after %s bytes', (first) => {
  const bytes = randomBytes(200_000);
  expect(checksumOf(bytes.subarray(first), checksumOf(bytes.subarray(0, first)))).toBe(crc32(bytes));
});
