import { type SegmentName, segmentParts } from '../../wal/wal-name.ts';
import type { Backup } from '../backups/backup.ts';
import type { WalLedger } from './wal-ledger.ts';

/** WAL of one backup (docs/reference/engine.md section 13.1): what it needs itself, and what follows until the next backup ends. */
export interface WalStatistics {
  readonly neededCount: number;
  readonly neededBytes: number;
  readonly laterCount: number;
  readonly laterBytes: number;
  /** Name of the last one counted; undefined when nothing is archived. */
  readonly last: SegmentName | undefined;
  /** When PostgreSQL last wrote to that one, seconds since the epoch. */
  readonly lastTime: number | undefined;
  /** 1 − stored / plain size, of what is needed and of what follows. */
  readonly neededRatio: number;
  readonly laterRatio: number;
  /** Segments per second between the first and the last one; undefined when it cannot be told. */
  readonly perSecond: number | undefined;
}

/** @param next the next usable backup, if there is one. Backups without begin or end have none. */
export function walStatistics(ledger: WalLedger, backup: Backup, next: Backup | undefined): WalStatistics {
  const { beginWal, endWal, xlogSegmentSize } = backup;
  if (beginWal === null || endWal === null) return nothingCounted;
  const { timeline } = segmentParts(beginWal);
  const until = next?.endWal ?? undefined;
  const all = ledger.span(timeline, beginWal, until);
  const needed = ledger.span(timeline, beginWal, until === undefined || endWal < until ? endWal : until);
  const later = { count: all.count - needed.count, bytes: all.bytes - needed.bytes };
  const firstTime = ledger.entryOf(beginWal)?.time;
  return {
    neededCount: needed.count,
    neededBytes: needed.bytes,
    laterCount: later.count,
    laterBytes: later.bytes,
    last: all.last,
    lastTime: all.lastTime,
    neededRatio: ratio(needed, xlogSegmentSize),
    laterRatio: ratio(later, xlogSegmentSize),
    perSecond: firstTime === undefined ? undefined : rate(all.count, firstTime, all.lastTime),
  };
}

const nothingCounted: WalStatistics = {
  neededCount: 0,
  neededBytes: 0,
  laterCount: 0,
  laterBytes: 0,
  last: undefined,
  lastTime: undefined,
  neededRatio: 0,
  laterRatio: 0,
  perSecond: undefined,
};

function ratio({ count, bytes }: { readonly count: number; readonly bytes: number }, segmentSize: number): number {
  return count === 0 ? 0 : 1 - bytes / (count * segmentSize);
}

function rate(count: number, firstTime: number, lastTime: number | undefined): number | undefined {
  return lastTime === undefined || lastTime <= firstTime ? undefined : count / (lastTime - firstTime);
}
