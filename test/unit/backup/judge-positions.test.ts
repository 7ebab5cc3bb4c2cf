import { expect, test } from 'vitest';
import { requirePossiblePositions, walRangesIn } from '../../../src/backup/judge-wals.ts';
import { lsnFromBytes } from '../../../src/wal/lsn.ts';

const at = (bytes: number) => lsnFromBytes(BigInt(bytes));
const manifest = `], "WAL-Ranges": [
{ "Timeline": 1, "Start-LSN": "0/100", "End-LSN": "0/180" },
{ "Timeline": 2, "Start-LSN": "0/180", "End-LSN": "0/200" }
],\n"Manifest-Checksum": "x"}`;

test('the ranges at the end of a manifest are read', () => {
  expect(walRangesIn(manifest)).toEqual([
    { begin: 0x1_00n, end: 0x1_80n },
    { begin: 0x1_80n, end: 0x2_00n },
  ]);
  expect(walRangesIn('no manifest')).toEqual([]);
});

test.each([
  { begin: 0x1_00, end: 0x2_00, message: undefined },
  { begin: 0x1_00, end: 0x2_80, message: undefined },
  { begin: 0x2_00, end: 0x1_00, message: 'ends at 0/100, before it begins at 0/200' },
  { begin: 0x1_00, end: 0x1_f0, message: 'ends at 0/1F0, and its manifest says that WAL up to 0/200 is needed' },
  { begin: 0x80, end: 0x2_00, message: 'begins at 0/80, and its manifest says that its WAL begins at 0/100' },
])('a backup from $begin to $end: $message', ({ begin, end, message }) => {
  const judge = () => requirePossiblePositions({ beginXlog: at(begin), endXlog: at(end) }, walRangesIn(manifest));
  if (message === undefined) expect(judge).not.toThrow();
  else expect(judge).toThrow(message);
});

test('before both are known there is nothing to judge', () => {
  expect(() => requirePossiblePositions({ beginXlog: at(5), endXlog: null }, [])).not.toThrow();
});
