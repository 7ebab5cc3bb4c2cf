import { expect, test } from 'vitest';
import { validEnd } from '../../../src/wal/valid-end.ts';
import { segmentOfRecords } from '../../helpers/wal-records.ts';

test.each([
  { title: 'behind the only one', lengths: [100], end: 40 + 100 },
  { title: 'behind the last, each at a multiple of eight', lengths: [26, 30], end: 40 + 32 + 30 },
  { title: 'behind one that goes over pages', lengths: [20_000], end: 40 + 20_000 + 2 * 24 },
  { title: 'behind the header of a segment without any', lengths: [], end: 40 },
])('the records of a segment end $title', ({ lengths, end }) => {
  expect(validEnd(segmentOfRecords(lengths))).toBe(end);
});

test('a changed byte ends them before its record', () => {
  const segment = segmentOfRecords([100, 100, 100]);
  segment[40 + 104 + 50] = (segment[40 + 104 + 50] ?? 0) ^ 1;
  expect(validEnd(segment)).toBe(40 + 100);
});

test('a record of an earlier use of the file is not taken for the next one', () => {
  const [segment, older] = [segmentOfRecords([100]), segmentOfRecords([100, 100], 3)];
  older.copy(segment, 40 + 104, 40 + 104, 40 + 204);
  expect(validEnd(segment)).toBe(40 + 100);
});

test('a file that is not a segment has no end', () => {
  expect(validEnd(Buffer.alloc(8192))).toBeUndefined();
});
