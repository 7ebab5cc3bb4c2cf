import { expect, test } from 'vitest';
import { diagnoseReceiver, type ReceiverDiagnosis, type ReceiverFacts } from '../../../src/wal/diagnose-receiver.ts';
import { lsnFromBytes } from '../../../src/wal/lsn.ts';
import { segmentAtIndex } from '../../../src/wal/wal-name.ts';

const segmentSize = 1024 * 1024;
/** `1:5`: segment 5 of timeline 1. */
const named = (short: string) => {
  const [timeline = '', index = ''] = short.split(':');
  return segmentAtIndex(Number(timeline), Number(index), segmentSize);
};
const inSegment = (number: number) => lsnFromBytes(BigInt(Math.round(number * segmentSize)));

interface Short {
  readonly newest?: string;
  readonly isPartial?: boolean;
  readonly timeline?: number;
  readonly position?: number;
  /** Where each timeline from the first on was left. */
  readonly left?: readonly number[];
  readonly kept?: readonly string[] | 'unknown';
  readonly slot?: 'lost' | number | 'new';
  readonly archived?: readonly string[];
}

function factsOf({
  newest,
  isPartial = true,
  timeline = 1,
  position = 9.5,
  left = [],
  kept,
  slot,
  archived = [],
}: Short): ReceiverFacts {
  return {
    segmentSize,
    newest: newest === undefined ? undefined : { segment: named(newest), isPartial },
    timeline,
    position: inSegment(position),
    history: left.map((at, index) => ({ timeline: index + 1, switchLsn: inSegment(at), reason: '' })),
    isArchived: (segment) => archived.map(named).includes(segment),
    kept: kept === undefined || kept === 'unknown' ? undefined : new Set(kept.map(named)),
    slot:
      slot === undefined
        ? undefined
        : { name: 's', restartLsn: typeof slot === 'number' ? inSegment(slot) : undefined, isLost: slot === 'lost' },
  };
}

const summaryOf = (diagnosis: ReceiverDiagnosis): unknown =>
  diagnosis.kind === 'stuck' ? { why: diagnosis.why.kind, restart: diagnosis.restart, lost: diagnosis.lost } : diagnosis.kind;
const stuck = (why: string, restart: string, lost?: readonly [string, string]): unknown => ({
  why,
  restart: named(restart),
  lost: lost === undefined ? undefined : { first: named(lost[0]), last: named(lost[1]) },
});

test.each<{ title: string; facts: Short; gives: unknown }>([
  { title: 'nothing streamed yet', facts: {}, gives: 'goes-on' },
  { title: 'a new slot', facts: { slot: 'new', kept: ['1:9'] }, gives: 'goes-on' },
  { title: 'the partial segment is kept', facts: { newest: '1:8', kept: ['1:8', '1:9'] }, gives: 'goes-on' },
  {
    title: 'a whole segment needs the next one only',
    facts: { newest: '1:8', isPartial: false, kept: ['1:9'] },
    gives: 'goes-on',
  },
  { title: 'nobody knows what is kept, and a slot holds it', facts: { newest: '1:2', slot: 2 }, gives: 'goes-on' },
  {
    title: 'at a boundary the next file is not there yet',
    facts: { newest: '1:8', position: 9, kept: ['1:8'] },
    gives: 'goes-on',
  },
  {
    title: 'the end of a past timeline',
    facts: { newest: '1:7', timeline: 2, left: [7.5], kept: ['2:7', '2:8', '2:9'] },
    gives: 'goes-on',
  },
  { title: 'more than the server has', facts: { newest: '1:8', isPartial: false, position: 7.2 }, gives: 'ahead' },
  {
    title: 'the timeline was left before: from the segment of the switch on',
    facts: { newest: '1:9', timeline: 2, left: [7.5], kept: ['1:6', '2:7', '2:8', '2:9'] },
    gives: stuck('history-left', '2:7'),
  },
  {
    title: 'the timeline was left before, and the server has removed the switch',
    facts: { newest: '1:9', timeline: 2, left: [7.5], kept: ['2:9'] },
    gives: stuck('history-left', '2:9', ['2:7', '2:8']),
  },
  {
    title: 'the timeline was left before, and nobody knows what is kept',
    facts: { newest: '1:9', timeline: 2, left: [7.5] },
    gives: stuck('history-left', '2:7'),
  },
  {
    title: 'the timeline was never one of the server: from where its own began',
    facts: { newest: '3:9', timeline: 2, left: [7.5], kept: ['2:7', '2:8', '2:9'] },
    gives: stuck('history-left', '2:7'),
  },
  {
    title: 'the server was set back far below what was streamed',
    facts: { newest: '1:90', timeline: 2, left: [7.5], kept: ['2:7', '2:8', '2:9'] },
    gives: stuck('history-left', '2:7'),
  },
  {
    title: 'the segment is gone',
    facts: { newest: '1:4', kept: ['1:7', '1:8', '1:9'] },
    gives: stuck('wal-removed', '1:7', ['1:4', '1:6']),
  },
  {
    title: 'a hole in what is kept (pg_resetwal leaves one)',
    facts: { newest: '1:4', kept: ['1:4', '1:5', '1:7', '1:8', '1:9'] },
    gives: stuck('wal-removed', '1:7', ['1:4', '1:6']),
  },
  {
    title: 'a slot that was given up, with WAL that archive_command brought',
    facts: { newest: '1:2', slot: 'lost', kept: ['1:6', '1:7', '1:8', '1:9'], archived: ['1:2', '1:3', '1:4', '1:5'] },
    gives: stuck('slot-lost', '1:6'),
  },
  {
    title: 'WAL that was removed, and came another way but for a part of it',
    facts: { newest: '1:2', kept: ['1:7', '1:8', '1:9'], archived: ['1:2', '1:3', '1:6'] },
    gives: stuck('wal-removed', '1:7', ['1:4', '1:5']),
  },
  {
    title: 'a slot that was given up, with WAL kept all the same',
    facts: { newest: '1:8', slot: 'lost', kept: ['1:8', '1:9'] },
    gives: stuck('slot-lost', '1:8'),
  },
  {
    title: 'a slot that was given up, and the WAL with it',
    facts: { newest: '1:2', slot: 'lost', kept: ['1:6', '1:7', '1:8', '1:9'] },
    gives: stuck('slot-lost', '1:6', ['1:2', '1:5']),
  },
  {
    title: 'a slot that was given up, and nobody knows what is kept',
    facts: { newest: '1:2', slot: 'lost', kept: 'unknown' },
    gives: stuck('slot-lost', '1:9', ['1:2', '1:8']),
  },
])('$title', ({ facts, gives }) => {
  expect(summaryOf(diagnoseReceiver(factsOf(facts)))).toEqual(gives);
});
