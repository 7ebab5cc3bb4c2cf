import { parseSegmentName, type SegmentName, segmentParts, timelineOf, walKindOf } from '../wal/wal-name.ts';
import type { Backup } from './backup.ts';
import { neighboursOf } from './find-backup.ts';
import type { WalEntry } from './wal-entry.ts';

/** WAL of one backup (engine.md section 13.1): what it needs itself, and what follows until the next backup ends. */
export interface WalStatistics {
  readonly neededCount: number;
  readonly neededBytes: number;
  readonly laterCount: number;
  readonly laterBytes: number;
  /** Name of the last one counted; undefined when nothing is archived. */
  readonly last: SegmentName | undefined;
  /** 1 − stored / plain size, of what is needed and of what follows. */
  readonly neededRatio: number;
  readonly laterRatio: number;
  /** Segments per second between the first and the last one; undefined when it cannot be told. */
  readonly perSecond: number | undefined;
}

interface Counter {
  readonly backup: Backup;
  readonly begin: string;
  readonly end: string;
  /** Until when later segments count: end of the next backup, if there is one. */
  readonly until: string | undefined;
  readonly timeline: number;
  neededCount: number;
  neededBytes: number;
  laterCount: number;
  laterBytes: number;
  last: SegmentName | undefined;
  firstTime: number | undefined;
  lastTime: number | undefined;
}

/**
 * Counts the WAL of many backups in one pass: feed it every entry of the index, in any order, then ask. Backups without begin or end
 * count nothing.
 */
export class WalCounter {
  readonly #counters: Counter[];

  /** @param all every backup of the server, oldest first; @param wanted those to count for */
  constructor(all: readonly Backup[], wanted: readonly Backup[]) {
    this.#counters = wanted.flatMap((backup) => {
      if (backup.beginWal === null || backup.endWal === null) return [];
      const { next } = neighboursOf(all, backup);
      const { timeline } = segmentParts(backup.beginWal);
      return [
        { backup, begin: backup.beginWal, end: backup.endWal, until: next?.endWal ?? undefined, timeline, ...nothingYet },
      ];
    });
  }

  add(entry: WalEntry): void {
    if (walKindOf(entry.name) !== 'segment') return;
    const timeline = timelineOf(entry.name);
    for (const counter of this.#counters) {
      if (timeline > counter.timeline || entry.name < counter.begin) continue;
      if (counter.until !== undefined && entry.name > counter.until) continue;
      count(counter, entry);
    }
  }

  statisticsOf(backup: Backup): WalStatistics {
    const counter = this.#counters.find(({ backup: { id } }) => id === backup.id);
    if (counter === undefined) return nothingCounted;
    const { neededCount, neededBytes, laterCount, laterBytes, last } = counter;
    return {
      neededCount,
      neededBytes,
      laterCount,
      laterBytes,
      last,
      neededRatio: ratio(neededBytes, neededCount, backup.xlogSegmentSize),
      laterRatio: ratio(laterBytes, laterCount, backup.xlogSegmentSize),
      perSecond: rateOf(counter),
    };
  }
}

const nothingYet = {
  neededCount: 0,
  neededBytes: 0,
  laterCount: 0,
  laterBytes: 0,
  last: undefined,
  firstTime: undefined,
  lastTime: undefined,
} as const;
const nothingCounted: WalStatistics = {
  neededCount: 0,
  neededBytes: 0,
  laterCount: 0,
  laterBytes: 0,
  last: undefined,
  neededRatio: 0,
  laterRatio: 0,
  perSecond: undefined,
};

function count(counter: Counter, { name, size, time }: WalEntry): void {
  if (name <= counter.end) {
    counter.neededCount++;
    counter.neededBytes += size;
  } else {
    counter.laterCount++;
    counter.laterBytes += size;
  }
  if (name === counter.begin) counter.firstTime = time;
  if (counter.last !== undefined && name <= counter.last) return;
  counter.last = parseSegmentName(name);
  counter.lastTime = time;
}

function ratio(bytes: number, segments: number, segmentSize: number): number {
  return segments === 0 ? 0 : 1 - bytes / (segments * segmentSize);
}

function rateOf({ firstTime, lastTime, neededCount, laterCount }: Counter): number | undefined {
  if (firstTime === undefined || lastTime === undefined || lastTime <= firstTime) return undefined;
  return (neededCount + laterCount) / (lastTime - firstTime);
}
