import { type SegmentName, segmentName, segmentParts } from '../../wal/wal-name.ts';
import type { SegmentRun } from '../index/wal-runs.ts';

/** The ledger's entry of one segment. */
interface SegmentFacts {
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

/** Of columns that are full: a million segments are 18 MB, so twice as much at a time would be a lot. */
const growth = 1.25;
/** Columns that are full with so many get all the room that they may need in one step: unused room takes no memory. */
const many = 4096;

/**
 * Collects the segments of one timeline; those in ascending order, which is how archives grow, cost next to nothing. What is built shares
 * its memory with the builder, which is done with then.
 */
export class TimelineBuilder {
  readonly #timeline: number;
  #intervals = new Uint32Array(3 * 16);
  #intervalCount = 0;
  #running = new Float64Array(257);
  #times = new Float64Array(256);
  #forms = new Uint16Array(256);
  #count = 0;
  /** Entries that came out of order, by name; of several lines with one name the last counts. */
  readonly #late = new Map<string, SegmentFacts>();
  /** Sizes that a later line changed, by ascending number. */
  readonly #corrections: { readonly number: number; readonly bytes: number }[] = [];

  readonly #most: number;

  /** @param most segments that there may be in the end, more or less */
  constructor(timeline: number, known?: TimelineWal, most = 0) {
    this.#timeline = timeline;
    this.#most = most;
    if (known !== undefined) this.#take(known, 0, known.columns.intervals.length / 3);
  }

  add(facts: SegmentFacts): void {
    const { log, segment } = segmentParts(facts.name);
    if (this.#isAfterLast(log, segment)) this.#push(log, segment, facts);
    else this.#late.set(facts.name, facts);
  }

  /** As {@link add}, for a caller that has the numbers already. @returns false when it is out of order, and nothing was added */
  addNext(log: number, segment: number, facts: Pick<SegmentFacts, 'size' | 'time' | 'form'>): boolean {
    if (!this.#isAfterLast(log, segment)) return false;
    this.#push(log, segment, facts);
    return true;
  }

  build(): TimelineWal {
    const inOrder = new TimelineWal(this.#timeline, this.#columns());
    if (this.#late.size === 0) return inOrder;
    const late = [...this.#late.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    if (this.#replaceAll(inOrder, late)) return inOrder;
    const most = inOrder.count + late.length;
    return new TimelineBuilder(this.#timeline, undefined, most).#merged(inOrder, late);
  }

  /** Where all that came late is there already: as when a segment is archived again. The columns are changed as they lie. */
  #replaceAll(inOrder: TimelineWal, late: readonly SegmentFacts[]): boolean {
    const numbers = late.map(({ name }) => inOrder.numberOf(name)).filter((number) => number !== undefined);
    if (numbers.length < late.length) return false;
    for (const [index, facts] of late.entries()) this.#replace(numbers[index] ?? 0, facts);
    this.#applyCorrections();
    return true;
  }

  #merged(base: TimelineWal, late: readonly SegmentFacts[]): TimelineWal {
    let interval = 0;
    const { intervals } = base.columns;
    const isBefore = (log: number, segment: number): boolean => {
      const there = intervals[interval * 3] ?? Infinity;
      return there < log || (there === log && (intervals[interval * 3 + 1] ?? 0) <= segment);
    };
    for (const facts of late) {
      const { log, segment } = segmentParts(facts.name);
      while (isBefore(log, segment)) this.#take(base, interval, ++interval);
      const known = this.#numberInLast(log, segment);
      if (known === undefined) this.#push(log, segment, facts);
      else this.#replace(known, facts);
    }
    this.#take(base, interval, intervals.length / 3);
    this.#applyCorrections();
    return new TimelineWal(this.#timeline, this.#columns());
  }

  #isAfterLast(log: number, segment: number): boolean {
    if (this.#intervalCount === 0) return true;
    const at = (this.#intervalCount - 1) * 3;
    const lastLog = this.#intervals[at] ?? 0;
    return log > lastLog || (log === lastLog && segment >= (this.#intervals[at + 1] ?? 0) + (this.#intervals[at + 2] ?? 0));
  }

  /** Number of a segment when it lies in the interval that was added last. */
  #numberInLast(log: number, segment: number): number | undefined {
    const at = (this.#intervalCount - 1) * 3;
    if (at < 0 || this.#intervals[at] !== log) return undefined;
    const [first = 0, count = 0] = [this.#intervals[at + 1], this.#intervals[at + 2]];
    return segment >= first && segment < first + count ? this.#count - count + (segment - first) : undefined;
  }

  #replace(number: number, { size, time, form }: SegmentFacts): void {
    const known = (this.#running[number + 1] ?? 0) - (this.#running[number] ?? 0);
    this.#corrections.push({ number, bytes: size - known });
    this.#times[number] = time;
    this.#forms[number] = form;
  }

  /** In one pass: many lines may come twice. */
  #applyCorrections(): void {
    let bytes = 0;
    let next = 0;
    for (let after = (this.#corrections[0]?.number ?? this.#count) + 1; after <= this.#count; after++) {
      while (this.#corrections[next]?.number === after - 1) bytes += this.#corrections[next++]?.bytes ?? 0;
      this.#running[after] = (this.#running[after] ?? 0) + bytes;
    }
  }

  #push(log: number, segment: number, { size, time, form }: Pick<SegmentFacts, 'size' | 'time' | 'form'>): void {
    this.#reserve(1);
    this.#addInterval(log, segment, 1);
    this.#running[this.#count + 1] = (this.#running[this.#count] ?? 0) + size;
    this.#times[this.#count] = time;
    this.#forms[this.#count] = form;
    this.#count++;
  }

  /** Whole intervals of what is known already, from one to before another. */
  #take(known: TimelineWal, from: number, to: number): void {
    const { columns } = known;
    const [start, end] = [known.startOf(from), known.startOf(to)];
    for (let interval = from; interval < to; interval++) {
      const [log = 0, first = 0, count = 0] = columns.intervals.subarray(interval * 3, interval * 3 + 3);
      this.#addInterval(log, first, count);
    }
    this.#reserve(end - start);
    this.#times.set(columns.times.subarray(start, end), this.#count);
    this.#forms.set(columns.forms.subarray(start, end), this.#count);
    const difference = (this.#running[this.#count] ?? 0) - (columns.running[start] ?? 0);
    if (difference === 0) this.#running.set(columns.running.subarray(start, end + 1), this.#count);
    else {
      for (let number = start; number <= end; number++) {
        this.#running[this.#count + number - start] = (columns.running[number] ?? 0) + difference;
      }
    }
    this.#count += end - start;
  }

  #addInterval(log: number, first: number, count: number): void {
    const before = (this.#intervalCount - 1) * 3;
    const touches =
      before >= 0 &&
      this.#intervals[before] === log &&
      (this.#intervals[before + 1] ?? 0) + (this.#intervals[before + 2] ?? 0) === first;
    if (touches) {
      this.#intervals[before + 2] = (this.#intervals[before + 2] ?? 0) + count;
      return;
    }
    if (this.#intervals.length === this.#intervalCount * 3)
      this.#intervals = enlarged(this.#intervals, this.#intervals.length * 2);
    this.#intervals.set([log, first, count], this.#intervalCount * 3);
    this.#intervalCount++;
  }

  #reserve(more: number): void {
    const needed = this.#count + more;
    if (needed <= this.#times.length) return;
    const length = Math.max(needed, needed < many ? 0 : this.#most, Math.ceil(this.#times.length * growth));
    this.#times = enlarged(this.#times, length);
    this.#forms = enlarged(this.#forms, length);
    this.#running = enlarged(this.#running, length + 1);
  }

  #columns(): TimelineColumns {
    return {
      intervals: this.#intervals.subarray(0, this.#intervalCount * 3),
      running: this.#running.subarray(0, this.#count + 1),
      times: this.#times.subarray(0, this.#count),
      forms: this.#forms.subarray(0, this.#count),
    };
  }
}

function enlarged<T extends Uint16Array | Uint32Array | Float64Array>(column: T, length: number): T {
  const larger = new (column.constructor as new (length: number) => T)(length); // the same kind of column
  larger.set(column);
  return larger;
}
