import { type SegmentName, segmentAtIndex, segmentAtLsn, segmentIndex, segmentParts } from '../wal/wal-name.ts';
import type { LineagePart } from './plan-timeline.ts';

/** Which complete segments there are, by timeline and running number. */
export class WalCoverage {
  readonly segmentSize: number;
  readonly #timesOf = new Map<number, Map<number, number>>();
  #newestTime: number | undefined;

  constructor(segmentSize: number) {
    this.segmentSize = segmentSize;
  }

  /** @param time when PostgreSQL last wrote to the segment, seconds since the epoch */
  add(name: SegmentName, time: number): void {
    const { timeline } = segmentParts(name);
    const times = this.#timesOf.get(timeline) ?? new Map<number, number>();
    this.#timesOf.set(timeline, times);
    times.set(segmentIndex(name, this.segmentSize), time);
    if (this.#newestTime === undefined || time > this.#newestTime) this.#newestTime = time;
  }

  /** Time of the newest segment on any timeline. */
  get newestTime(): number | undefined {
    return this.#newestTime;
  }

  /** Time of the segment with that number that replay along the lineage reads; undefined when it is missing. */
  timeAt(index: number, lineage: readonly LineagePart[], acceptsOlder: boolean): number | undefined {
    for (const part of lineage.toReversed()) {
      if (!this.#covers(part, index)) continue;
      const time = this.#timesOf.get(part.timeline)?.get(index);
      // the segment in which a timeline was left is read under the newer name; the older one ends at the switch
      if (time !== undefined || !acceptsOlder) return time;
    }
    return undefined;
  }

  /** Name under which replay along the lineage asks for a segment first. */
  nameAt(index: number, lineage: readonly LineagePart[]): SegmentName {
    const part = lineage.findLast((candidate) => this.#covers(candidate, index)) ?? lineage[0];
    return segmentAtIndex(part?.timeline ?? 1, index, this.segmentSize);
  }

  /** Greatest number of a segment that lies on the lineage. */
  lastIndex(lineage: readonly LineagePart[]): number | undefined {
    let last: number | undefined;
    for (const part of lineage) {
      for (const index of this.#timesOf.get(part.timeline)?.keys() ?? []) {
        if (this.#covers(part, index) && (last === undefined || index > last)) last = index;
      }
    }
    return last;
  }

  #covers({ since, until }: LineagePart, index: number): boolean {
    const first = since === undefined ? 0 : segmentIndex(segmentAtLsn(since, 1, this.segmentSize).name, this.segmentSize);
    if (index < first) return false;
    return until === undefined || index <= segmentIndex(segmentAtLsn(until, 1, this.segmentSize).name, this.segmentSize);
  }
}
