import { segmentParts } from '../../wal/wal-name.ts';
import { type SegmentFacts, type TimelineColumns, TimelineWal } from './timeline-wal.ts';

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
  /** What came out of order, by name; of several lines with one name the last counts. */
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
