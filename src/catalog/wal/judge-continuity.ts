import type { Timestamp } from '../../shared/timestamp.ts';
import { type SegmentName, segmentAtIndex, segmentIndex, timelineOf } from '../../wal/wal-name.ts';
import { type Backup, type BackupId, isCopyDone } from '../backups/backup.ts';
import type { WalRuns } from '../index/wal-runs.ts';
import { type ArchivedHistories, gapsOf, type PathGap, pathTo, timeAt, timelineAt, type WalPath } from './wal-paths.ts';

/** Segments that recovery needs and that are lost. */
export interface WalHole {
  readonly first: SegmentName;
  readonly last: SegmentName;
  readonly count: number;
  /** Backups that are consistent before the hole and cannot be recovered past it, oldest first. */
  readonly cutOff: readonly BackupId[];
  /** Backups that cannot be restored at all, because the hole takes of the WAL that makes them consistent; oldest first. */
  readonly unusable: readonly BackupId[];
}

/** The range of positions to which the backups of one timeline can be recovered. Between its ends holes may lie, with newer backups behind them. */
export interface RecoverableWindow {
  /** Timeline that the backups were taken on. */
  readonly timeline: number;
  /** End of its oldest backup whose WAL is there. */
  readonly from: { readonly backupId: BackupId; readonly time: Timestamp | null };
  /** The last segment that replay gets to, maybe on a later timeline; its time in seconds since the epoch, where it is known. */
  readonly to: { readonly segment: SegmentName; readonly time: number | undefined };
}

export interface WalContinuity {
  /** Ascending by timeline; only timelines with a backup that can be restored. */
  readonly windows: readonly RecoverableWindow[];
  /** By timeline and place. */
  readonly holes: readonly WalHole[];
}

export interface ContinuityFacts {
  /** Every backup, oldest first; those that are not copy done, or of clusters with segments of another size, count nothing. */
  readonly backups: readonly Backup[];
  /** Backups that are kept with no more WAL than makes them consistent: what is missing behind them is no hole. */
  readonly standalone: ReadonlySet<BackupId>;
  readonly archived: WalRuns;
  /** The archived ones, and those that wait to be archived: they are not lost, but say nothing of how far the archive reaches. */
  readonly present: WalRuns;
  readonly histories: ArchivedHistories;
  /** A backup that is DONE has its WAL in the archive; not so where backups and WAL are copied from another host one after the other. */
  readonly doneHasWal: boolean;
}

/** A backup with the numbers of its first and last segment. */
interface Placed {
  readonly backup: Backup;
  readonly timeline: number;
  readonly begin: number;
  readonly end: number;
}

/** How far a backup gets. */
interface Reach {
  readonly placed: Placed;
  readonly isConsistent: boolean;
  readonly isUnbroken: boolean;
  readonly to: RecoverableWindow['to'];
}

/**
 * Finds what is missing between each backup and the newest WAL on the timelines that it leads to, and how far recovery gets. A timeline
 * that was left, and has nothing behind the segment where it was left, is not a path of its own.
 */
export function judgeContinuity(facts: ContinuityFacts): WalContinuity {
  const { segmentSize } = facts.archived;
  const placed = facts.backups.flatMap((backup) => placeOf(backup, segmentSize));
  const holes = new Map<string, { gap: PathGap; cutOff: Placed[]; unusable: Placed[] }>();
  const reaches: Reach[] = [];
  for (const { path, backups } of pathsOf(facts, placed)) {
    const gaps = gapsOf(path, facts.present);
    for (const one of backups) {
      const missing = gaps.slice(firstGapFrom(gaps, one.begin));
      reaches.push(reachOf(one, { path, missing, present: facts.present }));
      for (const gap of missing) {
        if (gap.first > one.end && facts.standalone.has(one.backup.id)) break;
        const key = `${String(gap.timeline)}:${String(gap.first)}:${String(gap.last)}`;
        const hole = holes.get(key) ?? { gap, cutOff: [], unusable: [] };
        holes.set(key, hole);
        (gap.first <= one.end ? hole.unusable : hole.cutOff).push(one);
      }
    }
  }
  return { windows: windowsOf(reaches, facts.standalone), holes: holesOf([...holes.values()], segmentSize) };
}

function placeOf(backup: Backup, segmentSize: number): readonly Placed[] {
  const { beginWal, endWal } = backup;
  if (!isCopyDone(backup) || beginWal === null || endWal === null || backup.xlogSegmentSize !== segmentSize) return [];
  const [begin, end] = [segmentIndex(beginWal, segmentSize), segmentIndex(endWal, segmentSize)];
  return [{ backup, timeline: timelineOf(beginWal), begin, end }];
}

/** Every path that leads somewhere, with the backups whose recovery goes along it. */
function pathsOf(facts: ContinuityFacts, placed: readonly Placed[]): { path: WalPath; backups: readonly Placed[] }[] {
  const { histories, archived } = facts;
  const ends = endsOf(facts, placed);
  const paths = [...ends].map(([timeline, end]) => pathTo(timeline, end, { histories, segmentSize: archived.segmentSize }));
  return paths
    .toSorted((a, b) => a.timeline - b.timeline)
    .map((path) => {
      const longer = paths.filter((other) => goesOn(path, other));
      const isOwn = (one: Placed): boolean => !longer.some((other) => leadsTo(one, other, histories));
      return { path, backups: placed.filter((one) => leadsTo(one, path, histories) && isOwn(one)) };
    })
    .filter(({ backups }) => backups.length > 0);
}

/** Number of the newest segment of each timeline. */
function endsOf({ archived, doneHasWal }: ContinuityFacts, placed: readonly Placed[]): Map<number, number> {
  const ends = new Map<number, number>();
  for (const timeline of archived.timelines) ends.set(timeline, archived.of(timeline).at(-1)?.last ?? 0);
  if (!doneHasWal) return ends;
  for (const { backup, timeline, end } of placed) {
    if (backup.status === 'DONE') ends.set(timeline, Math.max(ends.get(timeline) ?? 0, end));
  }
  return ends;
}

/** Whether `other` reads everything that `path` does, or its newer copy, and goes on. */
function goesOn(path: WalPath, other: WalPath): boolean {
  if (other.timeline === path.timeline) return false;
  const part = other.parts.find(({ timeline }) => timeline === path.timeline);
  return part !== undefined && path.end <= part.last + 1;
}

function leadsTo({ backup, timeline }: Placed, path: WalPath, histories: ArchivedHistories): boolean {
  if (timeline === path.timeline) return true;
  const left = histories.get(path.timeline)?.find((one) => one.timeline === timeline);
  return left !== undefined && (backup.endXlog === null || left.switchLsn >= backup.endXlog);
}

/** Position of the first gap that ends at or after `index`. */
function firstGapFrom(gaps: readonly PathGap[], index: number): number {
  const position = gaps.findIndex(({ last }) => last >= index);
  return position === -1 ? gaps.length : position;
}

function reachOf(
  placed: Placed,
  { path, missing, present }: { path: WalPath; missing: readonly PathGap[]; present: WalRuns },
): Reach {
  const [gap] = missing;
  const last = gap === undefined ? path.end : gap.first - 1;
  const timeline = timelineAt(path, last);
  const segment = segmentAtIndex(timeline, Math.max(last, 0), present.segmentSize);
  const to = { segment, time: timeAt(present, timeline, last) };
  return { placed, isConsistent: last >= placed.end, isUnbroken: gap === undefined, to };
}

function windowsOf(reaches: readonly Reach[], standalone: ReadonlySet<BackupId>): readonly RecoverableWindow[] {
  const usable = reaches.filter(({ isConsistent }) => isConsistent);
  const timelines = [...new Set(usable.map(({ placed }) => placed.timeline))].toSorted((a, b) => a - b);
  return timelines.flatMap((timeline) => {
    const own = usable.filter(({ placed }) => placed.timeline === timeline);
    // a backup that is kept alone, years before the others, is no beginning of a window
    const joined = own.filter(({ placed, isUnbroken }) => isUnbroken || !standalone.has(placed.backup.id));
    const counted = joined.length > 0 ? joined : own;
    const [some] = counted;
    if (some === undefined) return [];
    const oldest = counted.reduce((found, reach) => (reach.placed.begin < found.placed.begin ? reach : found), some);
    const newest = counted.reduce((found, reach) => (isLater(reach, found) ? reach : found), some);
    const { id, endTime } = oldest.placed.backup;
    return [{ timeline, from: { backupId: id, time: endTime }, to: newest.to }];
  });
}

function isLater({ to: a }: Pick<Reach, 'to'>, { to: b }: Pick<Reach, 'to'>): boolean {
  const [timeA, timeB] = [a.time ?? -Infinity, b.time ?? -Infinity];
  return timeA === timeB ? a.segment > b.segment : timeA > timeB;
}

function holesOf(
  found: readonly { gap: PathGap; cutOff: readonly Placed[]; unusable: readonly Placed[] }[],
  segmentSize: number,
): readonly WalHole[] {
  const holes = found.map(({ gap: { timeline, first, last }, cutOff, unusable }): WalHole => {
    // WAL before the oldest backup that needs it was removed on purpose
    const from = [...cutOff, ...unusable].reduce((least, { begin }) => Math.min(least, begin), Infinity);
    const needed = Math.max(first, from);
    const lost = new Set(unusable.map(({ backup: { id } }) => id));
    const cut = new Set(cutOff.map(({ backup: { id } }) => id).filter((id) => !lost.has(id)));
    return {
      first: segmentAtIndex(timeline, needed, segmentSize),
      last: segmentAtIndex(timeline, last, segmentSize),
      count: last - needed + 1,
      cutOff: [...cut].toSorted(),
      unusable: [...lost].toSorted(),
    };
  });
  return holes.toSorted((a, b) => (a.first < b.first ? -1 : 1));
}
