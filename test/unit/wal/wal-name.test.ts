import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatLsn, lsnFromBytes, parseLsn } from '../../../src/wal/lsn.ts';
import {
  hashFolderOf,
  nextSegment,
  parseSegmentName,
  parseWalName,
  previousSegment,
  segmentAtIndex,
  segmentAtLsn,
  segmentIndex,
  segmentStart,
  segmentsBetween,
  walKindOf,
} from '../../../src/wal/wal-name.ts';

const mib = 1024 * 1024;
const segment = (text: string) => {
  const name = parseSegmentName(text);
  if (name === undefined) throw new Error(`${text} is no segment`);
  return name;
};

test.each([
  { name: '000000010000000000000005', kind: 'segment' },
  { name: '00000001000000000000000a', kind: 'segment' },
  { name: '000000010000000000000005.00000028.backup', kind: 'backup-label' },
  { name: '000000010000000000000005.partial', kind: 'partial' },
  { name: '0000000A.history', kind: 'history' },
  { name: '000000010000000000000005.gz', kind: undefined },
  { name: '0000000A.history.partial', kind: undefined },
  { name: '../000000010000000000000005', kind: undefined },
  { name: '000000010000000000000005\n', kind: undefined },
  { name: '', kind: undefined },
])('$name is of kind $kind', ({ name, kind }) => {
  expect(walKindOf(name)).toBe(kind);
});

test('hexadecimal digits are written in upper case, suffixes as PostgreSQL writes them', () => {
  expect(parseWalName('0000000a.history')).toBe('0000000A.history');
  expect(parseWalName('00000001000000000000000a.0000002f.backup')).toBe('00000001000000000000000A.0000002F.backup');
  expect(parseWalName('00000001000000000000000a.partial')).toBe('00000001000000000000000A.partial');
});

test('segments lie in a folder of timeline and log, history files in the root', () => {
  expect(hashFolderOf(segment('000000020000000A000000FF'))).toBe('000000020000000A');
  expect(parseWalName('00000002.history')).toBeDefined();
});

test.each([
  { size: 16 * mib, from: '0000000100000000000000FF', to: '000000010000000100000000' },
  { size: 1 * mib, from: '000000010000000000000FFF', to: '000000010000000100000000' },
  { size: 1024 * mib, from: '000000010000000000000003', to: '000000010000000100000000' },
  { size: 64 * mib, from: '0000000A0000000000000001', to: '0000000A0000000000000002' },
])('with segments of $size bytes $to follows $from', ({ size, from, to }) => {
  expect(nextSegment(segment(from), size)).toBe(to);
  expect(previousSegment(segment(to), size)).toBe(from);
});

test('nothing lies before the very first segment', () => {
  expect(previousSegment(segment('000000010000000000000000'), 16 * mib)).toBeUndefined();
});

test('segments between two names are listed in order, both ends included', () => {
  expect([...segmentsBetween(segment('0000000100000000000000FE'), segment('000000010000000100000001'), 16 * mib)]).toEqual([
    '0000000100000000000000FE',
    '0000000100000000000000FF',
    '000000010000000100000000',
    '000000010000000100000001',
  ]);
});

const sizes = fc.constantFrom(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024).map((count) => count * mib);

test('a segment and its running number determine each other', () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 0xffff_ffff }), fc.nat({ max: 10_000_000 }), (size, timeline, index) => {
      expect(segmentIndex(segmentAtIndex(timeline, index, size), size)).toBe(index);
    }),
  );
});

test('an LSN lies in its segment at its offset', () => {
  fc.assert(
    fc.property(sizes, fc.bigInt({ min: 0n, max: 2n ** 52n }), (size, bytes) => {
      const lsn = lsnFromBytes(bytes);
      const { name, offset } = segmentAtLsn(lsn, 3, size);
      expect(segmentStart(name, size) + BigInt(offset)).toBe(bytes);
      expect(parseLsn(formatLsn(lsn))).toBe(lsn);
    }),
  );
});

test.each(['', '0', '0/', '/0', 'G/0', '0/0/0', '100000000/0'])('"%s" is no LSN', (text) => {
  expect(parseLsn(text)).toBeUndefined();
});
