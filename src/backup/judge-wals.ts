import { join } from 'node:path';
import { archivedWalPath } from '../catalog/archive-layout.ts';
import type { Backup } from '../catalog/backups/backup.ts';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { kindOfArrival, namesIn, pathExists } from '../shared/look.ts';
import { parseSegmentName, type SegmentName, segmentsBetween, timelineOf, walKindOf } from '../wal/wal-name.ts';

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
  const timeline = backup.beginWal === null ? 0 : timelineOf(backup.beginWal);
  return {
    isArchived: (name) => pathExists(archivedWalPath(layout, name)),
    isWaiting: (name) => [layout.incoming, layout.streaming].some((folder) => kindOfArrival(join(folder, name)) === 'file'),
    last: await lastArchivedSegment(layout, timeline),
  };
}

/** Greatest complete segment in the archive on a timeline, from the files themselves. */
async function lastArchivedSegment(layout: ServerLayout, timeline: number): Promise<SegmentName | undefined> {
  const prefix = timeline.toString(16).toUpperCase().padStart(8, '0');
  const folders = (await namesIn(layout.wals)).filter((name) => name.startsWith(prefix) && name.length === 16).toSorted();
  for (const folder of folders.toReversed()) {
    const segments = (await namesIn(join(layout.wals, folder))).filter((name) => walKindOf(name) === 'segment').toSorted();
    const last = segments.at(-1);
    if (last !== undefined) return parseSegmentName(last);
  }
  return undefined;
}
