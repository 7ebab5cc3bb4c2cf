import type { TimelineSwitch } from '../../wal/timeline-history.ts';
import { type SegmentName, segmentAtIndex, segmentAtLsn, segmentIndex } from '../../wal/wal-name.ts';
import { firstRunFrom, type WalRuns } from '../index/wal-runs.ts';

/** History files of the archive by the timeline that they tell the origin of, oldest ancestor first. */
export type ArchivedHistories = ReadonlyMap<number, readonly TimelineSwitch[]>;

/** Segments that replay reads from one timeline, by running number, both inclusive; none when `last` lies before `first`. */
interface PathPart {
  readonly timeline: number;
  readonly first: number;
  readonly last: number;
}

/** The WAL that replay reads, from the first segment of the oldest ancestor to the newest segment of one timeline. */
export interface WalPath {
  /** Where it ends. */
  readonly timeline: number;
  readonly parts: readonly PathPart[];
  /** Number of the newest segment. */
  readonly end: number;
}

/** Segments of one timeline that a path needs and that are not there, both inclusive. */
export interface PathGap {
  readonly timeline: number;
  readonly first: number;
  readonly last: number;
}

/**
 * The path to segment `end` of a timeline. The segment in which a timeline was left is read from the newer one, which begins with a copy
 * of it (PostgreSQL manual, chapter "Continuous Archiving", Timelines); on the older one it may be there only in part, or not at all.
 */
export function pathTo(
  timeline: number,
  end: number,
  { histories, segmentSize }: { readonly histories: ArchivedHistories; readonly segmentSize: number },
): WalPath {
  const parts: PathPart[] = [];
  let first = 0;
  for (const left of histories.get(timeline) ?? []) {
    const switchIndex = segmentIndex(segmentAtLsn(left.switchLsn, left.timeline, segmentSize).name, segmentSize);
    parts.push({ timeline: left.timeline, first, last: switchIndex - 1 });
    first = switchIndex;
  }
  return { timeline, parts: [...parts, { timeline, first, last: end }], end };
}

/** The missing segments of a path, in its order; at its start they include those that were removed with old backups. */
export function gapsOf({ parts }: WalPath, runs: WalRuns): readonly PathGap[] {
  const gaps: PathGap[] = [];
  for (const { timeline, first, last } of parts) {
    let next = first;
    const there = runs.of(timeline);
    for (let position = firstRunFrom(there, first); next <= last; position++) {
      const run = there[position];
      if (run === undefined || run.first > last) {
        gaps.push({ timeline, first: next, last });
        break;
      }
      if (run.first > next) gaps.push({ timeline, first: next, last: run.first - 1 });
      next = run.last + 1;
    }
  }
  return gaps;
}

/** Timeline that a path reads a segment from. */
export function timelineAt({ parts, timeline }: WalPath, index: number): number {
  return parts.find(({ first, last }) => index >= first && index <= last)?.timeline ?? timeline;
}

/** The segments of a path from number `last` backwards, those of its ancestors too, as replay reads them. */
export function* segmentsBackFrom(path: WalPath, last: number, segmentSize: number): Generator<SegmentName> {
  for (let index = last; index >= 0; index--) yield segmentAtIndex(timelineAt(path, index), index, segmentSize);
}

/** Time of a segment where it ends a run; undefined in the middle of one, where nobody keeps it. */
export function timeAt(runs: WalRuns, timeline: number, index: number): number | undefined {
  const run = runs.of(timeline)[firstRunFrom(runs.of(timeline), index)];
  return run?.last === index ? run.lastTime : undefined;
}
