import { expect, test } from 'vitest';
import { lsnFromBytes } from '../../../src/wal/lsn.ts';
import { summaryGap } from '../../../src/wal/summary-gap.ts';

const lsn = (bytes: number) => lsnFromBytes(BigInt(bytes));
const summary = (start: number, end: number) => ({ start: lsn(start), end: lsn(end) });

test.each([
  { title: 'nothing is missing between summaries that touch', summaries: [summary(0, 10), summary(10, 30)], gap: undefined },
  { title: 'their order does not matter', summaries: [summary(20, 30), summary(0, 12), summary(12, 20)], gap: undefined },
  { title: 'WAL that the summarizer has not reached is not a gap', summaries: [summary(0, 12)], gap: undefined },
  { title: 'a hole between two is one', summaries: [summary(0, 12), summary(20, 30)], gap: { from: lsn(12), to: lsn(20) } },
  { title: 'the beginning can be gone', summaries: [summary(20, 30)], gap: { from: lsn(5), to: lsn(20) } },
  { title: 'all can be gone', summaries: [], gap: { from: lsn(5), to: lsn(30) } },
  { title: 'those of an older part count for nothing', summaries: [summary(0, 5)], gap: { from: lsn(5), to: lsn(30) } },
])('$title', ({ summaries, gap }) => {
  expect(summaryGap(lsn(5), summaries, lsn(30))).toEqual(gap);
});

test('without summaries and without a summarizer that has come further, the backup waits', () => {
  expect(summaryGap(lsn(5), [], lsn(5))).toBeUndefined();
  expect(summaryGap(lsn(5), [], undefined)).toBeUndefined();
});
