import { expect, test } from 'vitest';
import { pageChecksum, pageHeader } from '../../../src/postgres/page-checksum.ts';

const pageWords = 2048;

test('the checksum field itself does not count, the number of the block does', () => {
  const page = Buffer.from(new ArrayBuffer(8192));
  for (let index = 0; index < page.length; index++) page[index] = (index * 7) % 251;
  const words = new Int32Array(page.buffer);
  const before = pageChecksum(words, 0, pageWords, 5);
  page.writeUInt16LE(0xbeef, 8);
  expect(pageChecksum(words, 0, pageWords, 5)).toBe(before);
  expect(pageChecksum(words, 0, pageWords, 6)).not.toBe(before);
  page.writeUInt16LE(0xbeef, 10); // pd_flags, in the same word
  expect(pageChecksum(words, 0, pageWords, 5)).not.toBe(before);
});

test('a header is read as PostgreSQL lays it out', () => {
  const page = Buffer.alloc(24);
  page.writeUInt32LE(2, 0);
  page.writeUInt32LE(0x1000_0001, 4);
  page.writeUInt16LE(77, 8);
  expect(pageHeader(page)).toEqual({ lsn: 0x2_1000_0001n, checksum: 77, isNew: true });
  page.writeUInt16LE(100, 14);
  expect(pageHeader(page).isNew).toBe(false);
});
