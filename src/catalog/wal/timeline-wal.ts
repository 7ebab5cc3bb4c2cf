import { type SegmentName, segmentName, segmentParts } from '../../wal/wal-name.ts';
import type { SegmentRun } from '../index/wal-runs.ts';

/** What the ledger knows of one segment. */
export interface SegmentFacts {
  readonly name: SegmentName;
  /** Bytes of the stored file. */
  readonly size: number;
  /** Modification time of the original file, seconds since the epoch. */
  readonly time: number;
  /** Number of its form (compression and encryption) in the ledger's list. */
  readonly form: number;
}

/** The columns of {@link TimelineWal}: what is stored of it. */
export interface TimelineColumns {
  /** Three numbers for each interval: log, first segment, count. */
  readonly intervals: Uint32Array;
  /** Bytes of all segments before the one with that number; one more than there are segments. */
  readonly running: Float64Array;
  readonly times: Float64Array;
  readonly forms: Uint16Array;
}

/**
 * The complete segments of one timeline, numbered from 0 in the order of their names: intervals of segments of one log file without a
 * hole, with running sizes, so that what lies between two segments is a subtraction. Does not change.
 */
export class TimelineWal {
  readonly timeline: number;
  readonly columns: TimelineColumns;
  /** Number of the first segment of each interval. */
  readonly #starts: Uint32Array;

  constructor(timeline: number, columns: TimelineColumns) {
    this.timeline = timeline;
    this.columns = columns;
    const { intervals } = columns;
    this.#starts = new Uint32Array(intervals.length / 3);
    let start = 0;
    for (let interval = 0; interval < this.#starts.length; interval++) {
      this.#starts[interval] = start;
      start += intervals[interval * 3 + 2] ?? 0;
    }
  }

  get count(): number {
    return this.columns.times.length;
  }

  /** Number of the first segment of an interval. */
  startOf(interval: number): number {
    return this.#starts[interval] ?? this.count;
  }

  /** How many segments have a lower number than `log` and `segment` give: the number of that segment, or of the next one that is there. */
  numberFrom(log: number, segment: number): number {
    const { intervals } = this.columns;
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const there = intervals[middle * 3] ?? 0;
      const end = (intervals[middle * 3 + 1] ?? 0) + (intervals[middle * 3 + 2] ?? 0);
      if (there < log || (there === log && end <= segment)) low = middle + 1;
      else high = middle;
    }
    if (low === this.#starts.length) return this.count;
    const isInside = intervals[low * 3] === log && (intervals[low * 3 + 1] ?? 0) < segment;
    return (this.#starts[low] ?? 0) + (isInside ? segment - (intervals[low * 3 + 1] ?? 0) : 0);
  }

  /** Number of a segment; undefined when it is not there. */
  numberOf(name: SegmentName): number | undefined {
    const { log, segment } = segmentParts(name);
    const number = this.numberFrom(log, segment);
    return number < this.count && this.nameAt(number) === name ? number : undefined;
  }

  nameAt(number: number): SegmentName {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= number) low = middle;
      else high = middle - 1;
    }
    const { intervals } = this.columns;
    const segment = (intervals[low * 3 + 1] ?? 0) + number - (this.#starts[low] ?? 0);
    return segmentName({ timeline: this.timeline, log: intervals[low * 3] ?? 0, segment });
  }

  factsAt(number: number): SegmentFacts {
    return {
      name: this.nameAt(number),
      size: this.bytesBetween(number, number + 1),
      time: this.timeAt(number),
      form: this.columns.forms[number] ?? 0,
    };
  }

  timeAt(number: number): number {
    return this.columns.times[number] ?? Number.NaN;
  }

  /** Bytes of the segments from number `from` to before number `to`. */
  bytesBetween(from: number, to: number): number {
    const { running } = this.columns;
    return (running[to] ?? 0) - (running[from] ?? 0);
  }

  /** Runs without a hole, for a cluster with segments of that size; names that it cannot have are left out. */
  runs(segmentSize: number): SegmentRun[] {
    const runs: SegmentRun[] = [];
    const perLog = Math.floor(0xffff_ffff / segmentSize) + 1;
    const { intervals } = this.columns;
    for (let interval = 0; interval < this.#starts.length; interval++) {
      const [log = 0, from = 0, count = 0] = intervals.subarray(interval * 3, interval * 3 + 3);
      const taken = Math.min(count, perLog - from);
      if (taken <= 0) continue;
      const first = log * perLog + from;
      const last = first + taken - 1;
      const lastTime = this.timeAt((this.#starts[interval] ?? 0) + taken - 1);
      const before = runs.at(-1);
      if (before?.last === first - 1) runs[runs.length - 1] = { first: before.first, last, lastTime };
      else runs.push({ first, last, lastTime });
    }
    return runs;
  }
}
