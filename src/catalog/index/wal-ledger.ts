import { type SegmentName, segmentParts, timelineOf, type WalName, walKindOf } from '../../wal/wal-name.ts';
import type { TimelineWal } from '../wal/timeline-wal.ts';
import type { WalEntry } from './wal-entry.ts';
import { WalRuns } from './wal-runs.ts';

/** How a stored file is packed. */
export type WalForm = Pick<WalEntry, 'compression' | 'encryption'>;

/** Segments between two names, both included. */
export interface WalSpan {
  readonly count: number;
  readonly bytes: number;
  readonly first: SegmentName | undefined;
  readonly last: SegmentName | undefined;
  readonly lastTime: number | undefined;
}

/** The parts of a {@link WalLedger}. */
export interface LedgerParts {
  readonly timelines: ReadonlyMap<number, TimelineWal>;
  /** Labels, partial segments and histories by name. */
  readonly others: ReadonlyMap<WalName, WalEntry>;
  readonly forms: readonly WalForm[];
}

const nothing: WalSpan = { count: 0, bytes: 0, first: undefined, last: undefined, lastTime: undefined };

/**
 * Everything that the WAL index names, in an order in which it can be looked up. Of several lines with one name the last counts. It is
 * derived from the index and holds nothing that is not in there; it does not change.
 */
export class WalLedger {
  readonly parts: LedgerParts;

  constructor(parts: LedgerParts = { timelines: new Map(), others: new Map(), forms: [] }) {
    this.parts = parts;
  }

  /** How many files the archive holds, of any kind. */
  get count(): number {
    return this.segmentCount + this.parts.others.size;
  }

  get segmentCount(): number {
    return this.timelines.reduce((sum, { count }) => sum + count, 0);
  }

  /** Ascending; those with a complete segment. */
  get timelines(): readonly TimelineWal[] {
    return [...this.parts.timelines.values()].filter(({ count }) => count > 0).toSorted((a, b) => a.timeline - b.timeline);
  }

  /** Labels, partial segments and histories in the order of their names. */
  get others(): readonly WalEntry[] {
    return [...this.parts.others.values()].toSorted(byName);
  }

  get histories(): readonly WalEntry[] {
    return this.others.filter(({ name }) => walKindOf(name) === 'history');
  }

  has(name: WalName): boolean {
    return this.entryOf(name) !== undefined;
  }

  entryOf(name: WalName): WalEntry | undefined {
    if (walKindOf(name) !== 'segment') return this.parts.others.get(name);
    const timeline = this.parts.timelines.get(timelineOf(name));
    const number = timeline?.numberOf(name as SegmentName); // its kind was just tested
    return timeline === undefined || number === undefined ? undefined : this.#entryAt(timeline, number);
  }

  /** The segments of one timeline from a name on, until another one that is included; the end is that of the timeline when it is left out. */
  span(timeline: number, from: SegmentName, until?: SegmentName): WalSpan {
    const wal = this.parts.timelines.get(timeline);
    if (wal === undefined) return nothing;
    const first = firstNumber(wal, from);
    const end = until === undefined ? wal.count : endNumber(wal, until);
    if (end <= first) return nothing;
    return {
      count: end - first,
      bytes: wal.bytesBetween(first, end),
      first: wal.nameAt(first),
      last: wal.nameAt(end - 1),
      lastTime: wal.timeAt(end - 1),
    };
  }

  /** Entries of segments on all timelines in the order of their names, from one name to another, both included. */
  *segments(from?: SegmentName, until?: SegmentName): Generator<WalEntry> {
    for (const wal of this.timelines) {
      const end = until === undefined ? wal.count : endNumber(wal, until);
      for (let number = from === undefined ? 0 : firstNumber(wal, from); number < end; number++)
        yield this.#entryAt(wal, number);
    }
  }

  /** Entries of any kind in the order of their names. */
  *entries(): Generator<WalEntry> {
    const others = [...this.others];
    for (const entry of this.segments()) {
      while (others[0] !== undefined && others[0].name < entry.name) yield others.shift() ?? entry;
      yield entry;
    }
    yield* others;
  }

  /** The latest time of any segment. */
  get newestTime(): number | undefined {
    let newest: number | undefined;
    for (const { columns } of this.timelines) {
      for (const time of columns.times) if (newest === undefined || time > newest) newest = time;
    }
    return newest;
  }

  /** Which complete segments there are, for a cluster with segments of that size. */
  runs(segmentSize: number): WalRuns {
    return new WalRuns(segmentSize, new Map(this.timelines.map((wal) => [wal.timeline, wal.runs(segmentSize)])));
  }

  #entryAt(timeline: TimelineWal, number: number): WalEntry {
    const { name, size, time, form } = timeline.factsAt(number);
    const { compression, encryption } = this.parts.forms[form] ?? { compression: null, encryption: null };
    return { name, size, time, compression, encryption };
  }
}

function firstNumber(wal: TimelineWal, from: SegmentName): number {
  const { timeline, log, segment } = segmentParts(from);
  if (timeline !== wal.timeline) return timeline < wal.timeline ? 0 : wal.count;
  return wal.numberFrom(log, segment);
}

function endNumber(wal: TimelineWal, until: SegmentName): number {
  const { timeline, log, segment } = segmentParts(until);
  if (timeline !== wal.timeline) return timeline < wal.timeline ? 0 : wal.count;
  return wal.numberFrom(log, segment + 1);
}

function byName({ name: a }: WalEntry, { name: b }: WalEntry): number {
  return a < b ? -1 : 1;
}
