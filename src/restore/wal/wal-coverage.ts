import { WalLedger } from '../../catalog/index/wal-ledger.ts';
import type { WalRuns } from '../../catalog/index/wal-runs.ts';
import type { Lsn } from '../../wal/lsn.ts';
import { type SegmentName, segmentAtIndex, segmentAtLsn, segmentIndex, segmentParts } from '../../wal/wal-name.ts';
import type { LineagePart } from '../plan/plan-timeline.ts';

/** Which complete segments there are, by timeline and running number: those of the archive, and what is added. */
export class WalCoverage {
  readonly segmentSize: number;
  readonly #archived: WalLedger;
  readonly #runs: WalRuns;
  readonly #timesOf = new Map<number, Map<number, number>>();
  #newestTime: number | undefined;

  constructor(segmentSize: number, archived = new WalLedger()) {
    this.segmentSize = segmentSize;
    this.#archived = archived;
    this.#runs = archived.runs(segmentSize);
    this.#newestTime = archived.newestTime;
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
      const time = this.#timesOf.get(part.timeline)?.get(index) ?? this.#archivedTime(part.timeline, index);
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
      const archived = this.#lastArchived(part);
      if (archived !== undefined && (last === undefined || archived > last)) last = archived;
    }
    return last;
  }

  /** Number of the next segment, from one on, that any timeline of the lineage has: a hole may be longer than can be gone through. */
  nextFrom(index: number, lineage: readonly LineagePart[]): number | undefined {
    let next: number | undefined;
    const take = (found: number): void => {
      if (found >= index && (next === undefined || found < next)) next = found;
    };
    for (const { timeline } of lineage) {
      for (const run of this.#runs.of(timeline)) if (run.last >= index) take(Math.max(run.first, index));
      for (const found of this.#timesOf.get(timeline)?.keys() ?? []) take(found);
    }
    return next;
  }

  #archivedTime(timeline: number, index: number): number | undefined {
    return this.#archived.entryOf(segmentAtIndex(timeline, index, this.segmentSize))?.time;
  }

  #lastArchived(part: LineagePart): number | undefined {
    const { first, last: end } = this.#boundsOf(part);
    const run = this.#runs.of(part.timeline).findLast((each) => each.first <= end);
    const last = run === undefined ? -1 : Math.min(run.last, end);
    return last >= first ? last : undefined;
  }

  #covers(part: LineagePart, index: number): boolean {
    const { first, last } = this.#boundsOf(part);
    return index >= first && index <= last;
  }

  #boundsOf({ since, until }: LineagePart): { readonly first: number; readonly last: number } {
    const indexAt = (lsn: Lsn): number => segmentIndex(segmentAtLsn(lsn, 1, this.segmentSize).name, this.segmentSize);
    return { first: since === undefined ? 0 : indexAt(since), last: until === undefined ? Infinity : indexAt(until) };
  }
}
