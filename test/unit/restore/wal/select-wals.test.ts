import { expect, test } from 'vitest';
import { segmentAfter, selectWals, type WalRange } from '../../../../src/restore/wal/select-wals.ts';
import { defaultSegmentSize } from '../../../../src/wal/wal-name.ts';
import { anEntry, lsn, segment } from '../restore-builders.ts';

const ownTimeline = [{ timeline: 1, since: undefined, until: undefined }];
const twoTimelines = [
  { timeline: 1, since: undefined, until: lsn('0/3000080') },
  { timeline: 3, since: lsn('0/3000080'), until: undefined },
];

function aRange(range: Partial<WalRange> = {}): WalRange {
  return {
    beginWal: segment('1:2'),
    endWal: segment('1:2'),
    segmentSize: defaultSegmentSize,
    lineage: ownTimeline,
    target: { kind: 'none' },
    takesPartial: false,
    ...range,
  };
}

const label = '1:2.00000028.backup';
test.each<{ fact: string; entries: string[]; range?: Partial<WalRange>; selected: string[] }>([
  { fact: 'WAL before the backup stays', entries: ['1:1', '1:2', '1:3'], selected: ['1:2', '1:3'] },
  { fact: 'backup labels go along', entries: ['1:2', label, '1:3'], selected: ['1:2', label, '1:3'] },
  { fact: 'newer timelines stay', entries: ['1:2', '2:3'], selected: ['1:2'] },
  {
    fact: 'siblings of the chosen timeline stay, ancestors go along',
    entries: ['1:2', '1:3', '2:3', '3:3'],
    range: { lineage: twoTimelines },
    selected: ['1:2', '1:3', '3:3'],
  },
  {
    fact: 'immediate ends with the backup',
    entries: ['1:2', label, '1:3'],
    range: { target: { kind: 'immediate' } },
    selected: ['1:2'],
  },
  {
    fact: 'an LSN takes its segment and the one after, in which the record that stops replay may begin',
    entries: ['1:2', '1:3', '1:4', '1:5'],
    range: { target: { kind: 'lsn', lsn: lsn('0/3FFFFF8') } },
    selected: ['1:2', '1:3', '1:4'],
  },
  {
    fact: 'an LSN ends the older timeline as well',
    entries: ['1:2', '1:3', '1:4', '1:5', '3:3', '3:4', '3:5'],
    range: { target: { kind: 'lsn', lsn: lsn('0/3000090') }, lineage: twoTimelines },
    selected: ['1:2', '1:3', '1:4', '3:3', '3:4'],
  },
  { fact: 'partial segments stay', entries: ['1:2', '1:3.partial'], selected: ['1:2'] },
  {
    fact: 'partial segments go along as whole ones when asked for',
    entries: ['1:2', '1:3.partial'],
    range: { takesPartial: true },
    selected: ['1:2', '1:3'],
  },
])('$fact', ({ entries, range, selected }) => {
  const found = selectWals(
    entries.map((entry) => anEntry(entry)),
    aRange(range),
  );
  expect(found.map(({ restoredName }) => restoredName)).toEqual(selected.map((name) => anEntry(name).name));
});

test('every history file goes along, whatever the target', () => {
  const entries = [anEntry('00000002.history'), anEntry('00000009.history'), anEntry('1:2')];
  const found = selectWals(entries, aRange({ target: { kind: 'immediate' } }));
  expect(found.map(({ restoredName }) => restoredName)).toEqual([segment('1:2'), '00000002.history', '00000009.history']);
});

test('a partial segment never replaces the whole one', () => {
  const entries = [anEntry('1:2'), anEntry('1:2.partial')];
  const [found, ...others] = selectWals(entries, aRange({ takesPartial: true }));
  expect(found?.entry.name).toBe(segment('1:2'));
  expect(others).toEqual([]);
});

test.each<{ fact: string; entries: string[]; range?: Partial<WalRange>; next: string | undefined }>([
  { fact: 'follows the last segment', entries: ['1:2', '1:3'], next: '1:4' },
  {
    fact: 'is where a new timeline began, when that has none yet',
    entries: ['1:2'],
    range: { lineage: twoTimelines },
    next: '3:3',
  },
  {
    fact: 'is none after the target',
    entries: ['1:2', '1:3'],
    range: { target: { kind: 'lsn', lsn: lsn('0/2000200') } },
    next: undefined,
  },
])('the segment that is still being received $fact', ({ entries, range, next }) => {
  const chosen = aRange(range);
  const selected = selectWals(
    entries.map((entry) => anEntry(entry)),
    chosen,
  );
  expect(segmentAfter(selected, chosen)).toBe(next === undefined ? undefined : segment(next));
});
