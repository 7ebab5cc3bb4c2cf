import { type SegmentName, segmentIndex, segmentParts } from '../../wal/wal-name.ts';

/** Segments without a hole between them, by their running numbers, both inclusive. */
export interface SegmentRun {
  readonly first: number;
  readonly last: number;
  /** When PostgreSQL last wrote to the last one, seconds since the epoch. */
  readonly lastTime: number;
}

/**
 * Which complete segments there are: for each timeline runs in ascending order that neither touch nor overlap. What comes out does not
 * depend on the order in which segments are added.
 */
export class WalRuns {
  readonly segmentSize: number;
  readonly #runsOf: Map<number, SegmentRun[]>;

  /** @param runsOf runs by timeline, as {@link of} gave them */
  constructor(segmentSize: number, runsOf: ReadonlyMap<number, readonly SegmentRun[]> = new Map()) {
    this.segmentSize = segmentSize;
    this.#runsOf = new Map([...runsOf].map(([timeline, runs]) => [timeline, [...runs]]));
  }

  /** @param time of its last change, seconds since the epoch */
  add(name: SegmentName, time: number): void {
    const { timeline, segment } = segmentParts(name);
    if (segment * this.segmentSize >= 2 ** 32) return; // of a cluster with smaller segments: its number means something else here
    const runs = this.#runsOf.get(timeline) ?? [];
    this.#runsOf.set(timeline, runs);
    addToRuns(runs, segmentIndex(name, this.segmentSize), time);
  }

  /** Ascending. */
  get timelines(): readonly number[] {
    return [...this.#runsOf.keys()].toSorted((a, b) => a - b);
  }

  of(timeline: number): readonly SegmentRun[] {
    return this.#runsOf.get(timeline) ?? [];
  }

  /** These, and more that can be added without changing these. */
  copy(): WalRuns {
    return new WalRuns(this.segmentSize, this.#runsOf);
  }
}

function addToRuns(runs: SegmentRun[], index: number, time: number): void {
  const position = firstRunFrom(runs, index);
  const before = runs[position - 1];
  const after = runs[position];
  const touchesBefore = before?.last === index - 1;
  if (after !== undefined && after.first <= index) {
    // it is there already; of two times of one segment the later one counts
    if (after.last === index && time > after.lastTime) runs[position] = { ...after, lastTime: time };
  } else if (after?.first === index + 1) {
    const first = touchesBefore ? before.first : index;
    runs.splice(touchesBefore ? position - 1 : position, touchesBefore ? 2 : 1, { ...after, first });
  } else if (touchesBefore) runs[position - 1] = { first: before.first, last: index, lastTime: time };
  else runs.splice(position, 0, { first: index, last: index, lastTime: time });
}

/** Position of the first run that ends at or after `index`; archives grow at their end, so that is looked at first. */
export function firstRunFrom(runs: readonly SegmentRun[], index: number): number {
  let low = 0;
  let high = runs.length;
  const newest = runs.at(-1);
  if (newest !== undefined && newest.last < index) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((runs[middle]?.last ?? 0) < index) low = middle + 1;
    else high = middle;
  }
  return low;
}
