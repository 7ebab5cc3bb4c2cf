import { type SegmentName, segmentOf, timelineOf, walKindOf } from '../wal/wal-name.ts';
import type { KeepTarget } from './annotations.ts';
import { type Backup, type BackupId, isCopyDone } from './backup.ts';
import type { WalEntry } from './wal-entry.ts';

/** Which WAL goes with a backup (catalog.md sections 16.3 and 16.4). */
export type WalDeletion =
  | { readonly kind: 'none'; readonly reason: string }
  | {
      readonly kind: 'older-than';
      /** First segment that stays on any timeline that is not protected. */
      readonly limit: SegmentName;
      readonly limitTimeline: number;
      /** Timelines that other backups live on. */
      readonly protectedTimelines: ReadonlySet<number>;
      /** Begin and end of backups that are kept standalone. */
      readonly protectedRanges: readonly SegmentRange[];
    };

interface SegmentRange {
  readonly first: SegmentName;
  readonly last: SegmentName;
}

export interface DeletionFacts {
  /** Every backup of the server, oldest first. */
  readonly backups: readonly Backup[];
  readonly keeps: ReadonlyMap<BackupId, KeepTarget>;
  /** Retention looks past backups that are kept standalone; a deletion by hand stops at them. */
  readonly looksPastStandalone: boolean;
}

/** The backup and all that are built on it, children before their parents. */
export function subtreeOf(backups: readonly Backup[], root: Backup): readonly Backup[] {
  const children = backups.filter(({ parentBackupId }) => parentBackupId === root.id);
  return [...children.flatMap((child) => subtreeOf(backups, child)), root];
}

/**
 * Which WAL goes when `going` goes. Where Barman would wipe the archive because the only thing left has no begin WAL, nothing is
 * removed here.
 */
export function planWalDeletion(facts: DeletionFacts, going: Backup): WalDeletion {
  const others = facts.backups.filter(({ id }) => id !== going.id);
  const protectedRanges: SegmentRange[] = [];
  for (const older of others.filter((backup) => mayNeedWal(backup) && backup.id < going.id).toReversed()) {
    if (facts.keeps.get(older.id) !== 'standalone') return { kind: 'none', reason: `backup ${older.id} is older and needs it` };
    if (!facts.looksPastStandalone) return { kind: 'none', reason: `backup ${older.id} is kept standalone` };
    if (older.beginWal !== null && older.endWal !== null) protectedRanges.push({ first: older.beginWal, last: older.endWal });
  }
  const newer = others.find((backup) => isCopyDone(backup) && backup.id > going.id);
  const limit = newer?.beginWal ?? going.beginWal;
  if (limit === null) return { kind: 'none', reason: 'nothing says where the WAL that stays begins' };
  return olderThan(limit, { others, protectedRanges });
}

/** It is usable, or still being made: a passive node may copy an older backup after a newer one. */
function mayNeedWal(backup: Backup): boolean {
  return isCopyDone(backup) || ((backup.status === 'STARTED' || backup.status === 'SYNCING') && backup.beginWal !== null);
}

/** What the first backup of a server makes useless: everything before its begin WAL (catalog.md section 16.5). */
export function planFirstBackupPurge(backups: readonly Backup[], first: Backup): WalDeletion {
  if (first.beginWal === null) return { kind: 'none', reason: 'the backup has no begin WAL' };
  const older = backups.find((backup) => mayNeedWal(backup) && backup.id < first.id);
  if (older !== undefined) return { kind: 'none', reason: `backup ${older.id} is older` };
  return olderThan(first.beginWal, { others: backups.filter(({ id }) => id !== first.id), protectedRanges: [] });
}

/** Whether an entry of the index stays. */
export function isWalKept({ name }: Pick<WalEntry, 'name'>, plan: WalDeletion): boolean {
  if (plan.kind === 'none' || walKindOf(name) === 'history') return true;
  const timeline = timelineOf(name);
  if (plan.protectedTimelines.has(timeline)) return true;
  const segment = segmentOf(name);
  if (segment === undefined) return true;
  if (plan.protectedRanges.some(({ first, last }) => segment >= first && segment <= last)) return true;
  return name >= plan.limit;
}

function olderThan(
  limit: SegmentName,
  { others, protectedRanges }: { others: readonly Backup[]; protectedRanges: readonly SegmentRange[] },
): WalDeletion {
  const limitTimeline = timelineOf(limit);
  const living = others.filter(({ status }) => ['STARTED', 'WAITING_FOR_WALS', 'DONE', 'SYNCING'].includes(status));
  const timelines = living
    .map(({ timeline }) => timeline)
    .filter((timeline) => timeline !== null && timeline !== limitTimeline);
  return {
    kind: 'older-than',
    limit,
    limitTimeline,
    protectedTimelines: new Set(timelines.filter((timeline) => timeline !== null)),
    protectedRanges,
  };
}
