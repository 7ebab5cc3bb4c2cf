import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import type { Lsn } from '../../wal/lsn.ts';
import {
  parseSegmentName,
  type SegmentName,
  segmentAtIndex,
  segmentAtLsn,
  segmentIndex,
  timelineOf,
  type WalName,
  walKindOf,
} from '../../wal/wal-name.ts';
import type { LineagePart } from '../plan/plan-timeline.ts';
import type { RecoveryTarget } from '../target/recovery-target.ts';

/** One WAL file of the archive and the name that the restored server gets it under. */
export interface WalToCopy {
  readonly entry: WalEntry;
  readonly restoredName: string;
}

export interface WalRange {
  readonly beginWal: SegmentName;
  readonly endWal: SegmentName;
  readonly segmentSize: number;
  readonly lineage: readonly LineagePart[];
  readonly target: RecoveryTarget;
  /** Partial segments are taken too, under the names of whole ones. */
  readonly takesPartial: boolean;
  /** Timelines whose history files the restored server must not see. */
  readonly hidden?: readonly number[];
}

/**
 * WAL that a restore copies (docs/reference/engine.md section 12.7, docs/reference/since-3.17.md section 5): every history file; from the backup's first segment on
 * what lies on the chosen timeline and on those it descends from, siblings left out; up to the target where its place is known.
 * A partial segment never replaces a whole one.
 */
export function selectWals(entries: readonly WalEntry[], range: WalRange): readonly WalToCopy[] {
  const timelines = new Set(range.lineage.map(({ timeline }) => timeline));
  const last = lastIndexOf(range);
  const isWanted = ({ name }: WalEntry): boolean => {
    if (walKindOf(name) === 'history') return range.hidden?.includes(timelineOf(name)) !== true;
    if (name < range.beginWal || !timelines.has(timelineOf(name))) return false;
    return last === undefined || isUpTo(last, name, range.segmentSize);
  };
  const selected = new Map<string, WalToCopy>();
  const partials: WalToCopy[] = [];
  for (const entry of entries) {
    if (!isWanted(entry)) continue;
    if (walKindOf(entry.name) !== 'partial') selected.set(entry.name, { entry, restoredName: entry.name });
    else partials.push({ entry, restoredName: entry.name.slice(0, 24) });
  }
  if (range.takesPartial) {
    for (const partial of partials) if (!selected.has(partial.restoredName)) selected.set(partial.restoredName, partial);
  }
  return [...selected.values()].toSorted((a, b) => (a.restoredName < b.restoredName ? -1 : 1));
}

/**
 * Segment whose `.partial` in the streaming folder goes on where the selection ends, on the chosen timeline (docs/reference/since-3.17.md section 5.2);
 * undefined when it lies after the target.
 */
export function segmentAfter(selected: readonly WalToCopy[], range: WalRange): SegmentName | undefined {
  const { segmentSize, lineage } = range;
  const chosen = lineage.at(-1);
  if (chosen === undefined) return undefined;
  const indexes = selected.flatMap(({ restoredName }) => {
    const segment = parseSegmentName(restoredName);
    return segment !== undefined && timelineOf(segment) === chosen.timeline ? [segmentIndex(segment, segmentSize)] : [];
  });
  const first = chosen.since === undefined ? segmentIndex(range.beginWal, segmentSize) : indexAt(chosen.since, segmentSize);
  const next = indexes.reduce((most, index) => Math.max(most, index + 1), first);
  const last = lastIndexOf(range);
  return last === undefined || next <= last ? segmentAtIndex(chosen.timeline, next, segmentSize) : undefined;
}

/**
 * Number of the last segment that replay reads. Replay stops at a record that begins at or after the LSN: when the LSN is the end of a
 * segment's last record (what `pg_switch_wal` returns), that one lies in the next segment, so one more is taken.
 */
export function lastIndexOf({
  target,
  endWal,
  segmentSize,
}: Pick<WalRange, 'target' | 'endWal' | 'segmentSize'>): number | undefined {
  if (target.kind === 'immediate') return segmentIndex(endWal, segmentSize);
  if (target.kind === 'lsn') return indexAt(target.lsn, segmentSize) + 1;
  return undefined;
}

function indexAt(lsn: Lsn, segmentSize: number): number {
  return segmentIndex(segmentAtLsn(lsn, 1, segmentSize).name, segmentSize);
}

/** As in Barman, the backup label that belongs to the last segment comes after it. */
function isUpTo(last: number, name: WalName, segmentSize: number): boolean {
  const lastSegment = segmentAtIndex(timelineOf(name), last, segmentSize);
  return name <= lastSegment || name === `${lastSegment}.partial`;
}
