import { formatLsn, type Lsn, lsnFromBytes } from './lsn.ts';
import type { TimelineSwitch } from './timeline-history.ts';
import { nextSegment, type SegmentName, segmentAtIndex, segmentIndex, segmentStart, timelineOf } from './wal-name.ts';

/** The facts that decide whether `pg_receivewal` can continue the streamed WAL. */
export interface ReceiverFacts {
  readonly segmentSize: number;
  /** The file that it goes on from; undefined when it has none, and begins at its slot or where the server is. */
  readonly newest: { readonly segment: SegmentName; readonly isPartial: boolean } | undefined;
  /** Timeline of the server, how far its WAL is flushed, and where its timeline comes from, oldest first. */
  readonly timeline: number;
  readonly position: Lsn;
  readonly history: readonly TimelineSwitch[];
  /** Names of the segments that the server has; undefined where the role may not ask. */
  readonly kept: ReadonlySet<string> | undefined;
  /** Whether a segment came another way: by `archive_command`, or before. */
  readonly isArchived: (segment: SegmentName) => boolean;
  readonly slot: { readonly name: string; readonly restartLsn: Lsn | undefined; readonly isLost: boolean } | undefined;
}

/** The segments of a gap, both included. */
export interface Gap {
  readonly first: SegmentName;
  readonly last: SegmentName;
}

/** A receiver that cannot go on, and where it could begin again. */
export interface StuckReceiver {
  readonly kind: 'stuck';
  readonly why:
    | { readonly kind: 'slot-lost'; readonly slot: string }
    | { readonly kind: 'history-left'; readonly timeline: number; readonly upTo: Lsn; readonly leftAt: Lsn | undefined }
    | { readonly kind: 'wal-removed'; readonly wanted: SegmentName };
  /** Timeline of the server. */
  readonly timeline: number;
  /** The oldest segment that is needed and still to be had: where `receive-wal --reset` begins. */
  readonly restart: SegmentName;
  /** The earlier WAL that neither the server nor the archive has. */
  readonly lost: Gap | undefined;
}

/** Whether a receiver can go on. */
export type ReceiverDiagnosis =
  | { readonly kind: 'goes-on' }
  /** More was streamed than the server has on the same timeline: it lags, or its WAL was set back. */
  | { readonly kind: 'ahead'; readonly streamedTo: Lsn; readonly position: Lsn; readonly timeline: number }
  | StuckReceiver;

/**
 * Tells whether the receiver can go on from what it has streamed, as `pg_receivewal` and the server would decide it (PostgreSQL manual,
 * START_REPLICATION), and where it can begin again when it cannot.
 */
export function diagnoseReceiver(facts: ReceiverFacts): ReceiverDiagnosis {
  const { newest, slot, timeline, position } = facts;
  const start = newest === undefined ? undefined : startAfter(newest, facts.segmentSize);
  const streamed = newest === undefined ? timeline : timelineOf(newest.segment);
  if (start !== undefined && streamed === timeline && start > position) {
    return { kind: 'ahead', streamedTo: start, position, timeline };
  }
  const leftAt = facts.history.find((past) => past.timeline === streamed)?.switchLsn;
  const isPast = streamed !== timeline;
  const isLeft = start !== undefined && isPast && (leftAt === undefined || start > leftAt);
  const wanted = isLeft ? (leftAt ?? beginOf(facts)) : (start ?? slot?.restartLsn ?? position);
  const { restart, removed } = restartFrom(wanted, facts);
  const lost = removed === undefined ? undefined : notArchived(removed, facts);
  const stuck = (why: StuckReceiver['why']): StuckReceiver => ({ kind: 'stuck', why, timeline, restart, lost });
  if (slot?.isLost === true) return stuck({ kind: 'slot-lost', slot: slot.name });
  if (isLeft) return stuck({ kind: 'history-left', timeline: streamed, upTo: start, leftAt });
  if (removed !== undefined) return stuck({ kind: 'wal-removed', wanted: removed.first });
  return { kind: 'goes-on' };
}

/** Why it cannot go on, in a clause. */
export function describeStuckReceiver({ why, timeline, restart }: StuckReceiver): string {
  switch (why.kind) {
    case 'slot-lost':
      return `PostgreSQL gave up the replication slot '${why.slot}' (wal_status = lost) and removed WAL that was not streamed yet`;
    case 'history-left': {
      const left = why.leftAt === undefined ? 'is no part of it' : `was left at ${formatLsn(why.leftAt)}`;
      return `WAL was streamed up to ${formatLsn(why.upTo)} of timeline ${String(why.timeline)}, and the server is on timeline ${String(timeline)}, in whose history timeline ${String(why.timeline)} ${left}`;
    }
    case 'wal-removed':
      return `the server has removed the WAL from ${why.wanted} on, which was not streamed yet; what it still has begins with ${restart}`;
  }
}

/** The loss when it begins again, as a clause. */
export function describeLoss({ why, lost }: StuckReceiver): string {
  if (lost !== undefined) {
    return `lost is the WAL from ${lost.first} to ${lost.last}: no backup from before can be restored past it, so take a new one`;
  }
  return why.kind === 'history-left'
    ? 'nothing of the history of the server is lost; what was streamed of the timeline that was left is kept'
    : 'nothing is lost';
}

function startAfter({ segment, isPartial }: NonNullable<ReceiverFacts['newest']>, segmentSize: number): Lsn {
  return segmentStart(isPartial ? segment : nextSegment(segment, segmentSize), segmentSize);
}

/** Where the timeline of the server begins. */
function beginOf({ history }: ReceiverFacts): Lsn {
  return history.at(-1)?.switchLsn ?? lsnFromBytes(0n);
}

function restartFrom(wanted: Lsn, facts: ReceiverFacts): { readonly restart: SegmentName; readonly removed: Gap | undefined } {
  const { segmentSize, position } = facts;
  const indexOf = (lsn: Lsn): number => Number(lsn / BigInt(segmentSize));
  const current = indexOf(position);
  const first = Math.min(indexOf(wanted), current);
  const begin = Math.max(first, oldestKept(first, current, facts));
  const nameAt = (index: number): SegmentName => segmentAtIndex(timelineAt(index, facts), index, segmentSize);
  return {
    restart: nameAt(begin),
    removed: begin > first ? { first: nameAt(first), last: nameAt(begin - 1) } : undefined,
  };
}

/** The part of a gap from the first to the last segment that did not come another way; undefined when all did. */
function notArchived({ first, last }: Gap, facts: ReceiverFacts): Gap | undefined {
  const { segmentSize, isArchived } = facts;
  const nameAt = (index: number): SegmentName => segmentAtIndex(timelineAt(index, facts), index, segmentSize);
  let [from, to] = [segmentIndex(first, segmentSize), segmentIndex(last, segmentSize)];
  while (from <= to && isArchived(nameAt(from))) from++;
  while (to >= from && isArchived(nameAt(to))) to--;
  return from > to ? undefined : { first: nameAt(from), last: nameAt(to) };
}

/** The segment that has what begins at a position, on the timeline whose file has it. */
export function segmentHolding(position: Lsn, facts: Pick<ReceiverFacts, 'timeline' | 'history' | 'segmentSize'>): SegmentName {
  const index = Number(position / BigInt(facts.segmentSize));
  return segmentAtIndex(timelineAt(index, facts), index, facts.segmentSize);
}

/** Names of the segments of a gap, each on the timeline whose file has it. */
export function segmentsOfGap(
  { first, last }: Gap,
  facts: Pick<ReceiverFacts, 'timeline' | 'history' | 'segmentSize'>,
): readonly SegmentName[] {
  const { segmentSize } = facts;
  const begin = segmentIndex(first, segmentSize);
  const count = segmentIndex(last, segmentSize) - begin + 1;
  return Array.from({ length: count }, (_, at) => segmentAtIndex(timelineAt(begin + at, facts), begin + at, segmentSize));
}

/** Where the unbroken row of segments begins that the server has up to its position; no further back than is needed. */
function oldestKept(needed: number, current: number, facts: ReceiverFacts): number {
  const { kept, slot, segmentSize } = facts;
  if (kept === undefined) return slot?.isLost === true ? current : needed; // nobody knows: the slot decides
  let oldest = current; // at a boundary its file may not be there yet
  for (let index = current - 1; index >= needed; index--) {
    if (!kept.has(segmentAtIndex(timelineAt(index, facts), index, segmentSize))) break;
    oldest = index;
  }
  return oldest;
}

/** The timeline whose file has the segment: that with a switch in it is the next one's. */
function timelineAt(
  index: number,
  { timeline, history, segmentSize }: Pick<ReceiverFacts, 'timeline' | 'history' | 'segmentSize'>,
): number {
  const later = history.find(
    ({ switchLsn }) => segmentStart(segmentAtIndex(1, index + 1, segmentSize), segmentSize) <= switchLsn,
  );
  return later?.timeline ?? timeline;
}
