import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { namesIn } from '../../shared/look.ts';
import { parseWalName, type SegmentName, segmentIndex, segmentOf, timelineOf, walKindOf } from '../../wal/wal-name.ts';
import type { ServerLayout } from '../server-layout.ts';
import { walArchiveOf } from './wal-archive.ts';

/** A file of the receiver's folder. */
interface StreamedFile {
  readonly name: string;
  readonly segment: SegmentName;
  readonly isPartial: boolean;
}

/** Segments in the receiver's folder, whole and partial, in the order of `pg_receivewal`: position, timeline, the whole one after the partial. */
export async function listStreamed(
  { streaming }: Pick<ServerLayout, 'streaming'>,
  segmentSize: number,
): Promise<StreamedFile[]> {
  const files = (await namesIn(streaming)).flatMap((name): StreamedFile[] => {
    const wal = parseWalName(name);
    const kind = walKindOf(name);
    const segment = wal === undefined ? undefined : segmentOf(wal);
    if (segment === undefined || wal !== name || (kind !== 'segment' && kind !== 'partial')) return [];
    return [{ name, segment, isPartial: kind === 'partial' }];
  });
  return files.toSorted(
    (a, b) =>
      segmentIndex(a.segment, segmentSize) - segmentIndex(b.segment, segmentSize) ||
      timelineOf(a.segment) - timelineOf(b.segment) ||
      Number(b.isPartial) - Number(a.isPartial),
  );
}

/** Whether a whole segment is archived, or waits for that; without waiting, for the few that somebody asks for. */
export function hasArrived(layout: ServerLayout, segment: SegmentName): boolean {
  return existsSync(walArchiveOf(layout).pathOf(segment)) || existsSync(join(layout.incoming, segment));
}

/**
 * Whether a receiver has ever begun a segment that is not archived yet. Before it has, its slot may not be there, and then a segment that is
 * closed is one that never comes (PostgreSQL manual, pg_receivewal: without a slot it starts at the server's current position).
 */
export async function hasReceiverBegun({ streaming }: ServerLayout): Promise<boolean> {
  return (await namesIn(streaming)).some((name) => ['segment', 'partial'].includes(walKindOf(name) ?? ''));
}
