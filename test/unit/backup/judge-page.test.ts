import { expect, test } from 'vitest';
import { judgePage } from '../../../src/backup/judge-page.ts';
import { pageChecksum } from '../../../src/postgres/page-checksum.ts';

const pageBytes = 8192;
const block = 7;
const wal = { start: 0x2000n, end: 0x3000n };

interface Parts {
  readonly lsn: number;
  /** `pd_upper`; 0 in a new page. */
  readonly upper?: number;
  readonly byte?: number;
  readonly hasChecksum?: boolean;
}

function verdictOf({ lsn, upper = 4000, byte = 1, hasChecksum = false }: Parts) {
  const buffer = Buffer.from(new ArrayBuffer(pageBytes));
  const words = new Int32Array(buffer.buffer);
  buffer.writeUInt32LE(lsn, 4);
  buffer.writeUInt16LE(upper, 14);
  buffer.writeUInt8(byte, 5000);
  if (hasChecksum) buffer.writeUInt16LE(pageChecksum(words, 0, pageBytes / 4, block), 8);
  return judgePage({ buffer, words, at: 0, pageBytes }, block, wal).kind;
}

test.each([
  { title: 'with its checksum is sound', page: { lsn: 0x1000, hasChecksum: true }, verdict: 'sound' },
  { title: 'without its checksum is wrong', page: { lsn: 0x1000 }, verdict: 'wrong' },
  { title: 'of zeros is new, and sound', page: { lsn: 0, upper: 0, byte: 0 }, verdict: 'sound' },
  { title: 'without a header but with content is wrong', page: { lsn: 0, upper: 0 }, verdict: 'wrong' },
  { title: 'changed when the backup began is written by recovery', page: { lsn: 0x2000 }, verdict: 'replayed' },
  { title: 'changed just now is written by recovery', page: { lsn: 0x3000 }, verdict: 'replayed' },
  { title: 'changed in the future is wrong', page: { lsn: 0x3001 }, verdict: 'wrong' },
  { title: 'changed in the future with its checksum is sound', page: { lsn: 0x3001, hasChecksum: true }, verdict: 'sound' },
])('a page $title', ({ page, verdict }) => {
  expect(verdictOf(page)).toBe(verdict);
});
