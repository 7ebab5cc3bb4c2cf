import { join } from 'node:path';
import type { Backup } from '../catalog/backups/backup.ts';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import { kindOfArrival } from '../shared/look.ts';
import { type SegmentName, segmentsBetween, timelineOf } from '../wal/wal-name.ts';

/** What is known about the WAL that a backup needs. */
export type WalVerdict =
  | { readonly kind: 'complete' }
  | { readonly kind: 'waiting'; readonly for: SegmentName | undefined }
  | { readonly kind: 'lost'; readonly missing: SegmentName }
  | { readonly kind: 'two-timelines'; readonly begin: number; readonly end: number };

interface WalFacts {
  /** Names in the archive, on the timeline of the backup's begin. */
  readonly isArchived: (name: SegmentName) => Promise<boolean>;
  /** Whether a file waits to be archived: a gap may close by itself. */
  readonly isWaiting: (name: SegmentName) => boolean;
  /** Greatest archived segment of that timeline. */
  readonly last: SegmentName | undefined;
}

/**
 * Whether every segment from a backup's begin to its end is archived (docs/reference/engine.md section 9.4). A gap below the last archived segment is a
 * loss only when the missing file does not wait in the incoming or streaming folder.
 */
export async function judgeWals(backup: Backup, facts: WalFacts): Promise<WalVerdict> {
  const { beginWal, endWal } = backup;
  if (beginWal === null || endWal === null) return { kind: 'waiting', for: undefined };
  const [begin, end] = [timelineOf(beginWal), timelineOf(endWal)];
  if (begin !== end) return { kind: 'two-timelines', begin, end };
  for (const name of segmentsBetween(beginWal, endWal, backup.xlogSegmentSize)) {
    if (await facts.isArchived(name)) continue;
    const isGap = facts.last !== undefined && name < facts.last;
    return isGap && !facts.isWaiting(name) ? { kind: 'lost', missing: name } : { kind: 'waiting', for: name };
  }
  return { kind: 'complete' };
}

/** The facts, from the disk. */
export async function readWalFacts(layout: ServerLayout, backup: Backup): Promise<WalFacts> {
  const archive = walArchiveOf(layout);
  const timeline = backup.beginWal === null ? 0 : timelineOf(backup.beginWal);
  return {
    isArchived: (name) => archive.has(name),
    isWaiting: (name) => [layout.incoming, layout.streaming].some((folder) => kindOfArrival(join(folder, name)) === 'file'),
    last: await archive.newestSegment(timeline),
  };
}
