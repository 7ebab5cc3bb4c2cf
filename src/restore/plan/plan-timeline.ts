import { type Backup } from '../../catalog/backups/backup.ts';
import { formatLsn, type Lsn } from '../../wal/lsn.ts';
import type { TimelineSwitch } from '../../wal/timeline-history.ts';
import { timelineOf } from '../../wal/wal-name.ts';
import type { TimelineChoice } from './restore-options.ts';

/** History files of the archive by the timeline that they tell the origin of. */
export type TimelineHistories = ReadonlyMap<number, readonly TimelineSwitch[]>;

/** A timeline and the part of it that replay goes along; undefined is open. */
export interface LineagePart {
  readonly timeline: number;
  readonly since: Lsn | undefined;
  readonly until: Lsn | undefined;
}

/** Which timelines replay goes along. */
export interface TimelinePlan {
  readonly timeline: number;
  /** The backup's own timeline first, the chosen one last. */
  readonly lineage: readonly LineagePart[];
  /** The value of `recovery_target_timeline`; undefined leaves the line out. */
  readonly setting: TimelineChoice | undefined;
  /**
   * Timelines of history files that the restored server must not see as long as nothing newer is there: it follows `latest`, and the latest of them does not
   * descend from the backup.
   */
  readonly hidden: readonly number[];
  readonly warnings: readonly string[];
}

export type TimelineVerdict =
  | { readonly kind: 'planned'; readonly plan: TimelinePlan }
  | { readonly kind: 'refused'; readonly reason: string };

interface TimelineWish {
  readonly choice: TimelineChoice | undefined;
  /** PostgreSQL reads recovery settings at all. A plain restore gets them only to follow a timeline that is not the backup's. */
  readonly isArchiveRecovery: boolean;
  /** The restored server goes on for good, and follows later switches. */
  readonly followsSwitches?: boolean;
}

/** Since this version `recovery_target_timeline` is `latest` unless set; before, it was the backup's own timeline. */
const latestByDefaultSince = 120_000;

/**
 * The timeline that PostgreSQL will follow, found as it finds it itself: `latest` counts up from the backup's timeline while there are
 * history files. A timeline that does not contain the end of the backup is refused, because PostgreSQL would refuse to start on it.
 */
export function planTimeline(
  backup: Backup,
  { choice, isArchiveRecovery, followsSwitches = false }: TimelineWish,
  histories: TimelineHistories,
): TimelineVerdict {
  const own = timelineOfBackup(backup);
  if (choice === 'current') return planOn(backup, own, { histories, setting: choice });
  const latest = latestFrom(own, histories);
  const reachable = reachableFrom(backup, latest, histories);
  const isLatest = choice === 'latest' || (choice === undefined && (backup.version ?? 0) >= latestByDefaultSince);
  if (isLatest && followsSwitches && reachable !== latest) {
    const hidden = numbersFrom(reachable + 1, latest);
    return planOn(backup, reachable, { histories, setting: 'latest', hidden, warnings: [passingBy(latest, reachable)] });
  }
  if (choice !== undefined) return planOn(backup, choice === 'latest' ? latest : choice, { histories, setting: choice });
  if (!isLatest) return planOn(backup, own, { histories, warnings: reachable === own ? [] : [stayingBehind(own, reachable)] });
  const isFollowing = !isArchiveRecovery && reachable !== own;
  const warnings = [
    ...(reachable !== latest && isArchiveRecovery ? [passingBy(latest, reachable)] : []),
    ...(isFollowing ? [following(own, reachable)] : []),
  ];
  return planOn(backup, reachable, { histories, ...(reachable === latest ? {} : { setting: reachable }), warnings });
}

function numbersFrom(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function passingBy(latest: number, reachable: number): string {
  return `timeline ${String(latest)}, the latest one, does not descend from this backup: the restore goes to timeline ${String(reachable)}`;
}

function following(own: number, reachable: number): string {
  return `the archive goes on with timeline ${String(reachable)}, which the restored server follows: --target-tli current stays on timeline ${String(own)}`;
}

function stayingBehind(own: number, reachable: number): string {
  return `the archive goes on with timeline ${String(reachable)}; before PostgreSQL 12 the restored server stays on timeline ${String(own)}: use --target-tli latest to follow`;
}

/** Timeline that the backup was taken on. */
function timelineOfBackup(backup: Backup): number {
  return backup.timeline ?? (backup.beginWal === null ? 1 : timelineOf(backup.beginWal));
}

interface PlanOptions {
  readonly histories: TimelineHistories;
  readonly setting?: TimelineChoice;
  readonly hidden?: readonly number[];
  readonly warnings?: readonly string[];
}

function planOn(
  backup: Backup,
  timeline: number,
  { histories, setting: said, hidden = [], warnings = [] }: PlanOptions,
): TimelineVerdict {
  const lineage = lineageTo(backup, timeline, histories);
  if (typeof lineage === 'string') return { kind: 'refused', reason: lineage };
  // PostgreSQL takes a number only when it finds the history file, which is not archived when archiving began after the promotion
  const isBare = said === timelineOfBackup(backup) && said !== 1 && !histories.has(said);
  return { kind: 'planned', plan: { timeline, lineage, setting: isBare ? 'current' : said, hidden, warnings } };
}

/** The parts from the backup's timeline to `timeline`, or why there are none. */
function lineageTo(backup: Backup, timeline: number, histories: TimelineHistories): readonly LineagePart[] | string {
  const own = timelineOfBackup(backup);
  if (timeline === own) return [{ timeline, since: undefined, until: undefined }];
  const history = histories.get(timeline);
  if (history === undefined) {
    return timeline === 1
      ? `backup ${backup.id} is on timeline ${String(own)}, which timeline 1 does not descend from`
      : `timeline ${String(timeline)} is not in the archive: it has no history file there`;
  }
  const position = history.findIndex((left) => left.timeline === own);
  const leftOwn = history[position];
  if (leftOwn === undefined)
    return `timeline ${String(timeline)} does not descend from timeline ${String(own)} of backup ${backup.id}`;
  if (backup.endXlog !== null && leftOwn.switchLsn < backup.endXlog) {
    return `timeline ${String(timeline)} left timeline ${String(own)} at ${formatLsn(leftOwn.switchLsn)}, before backup ${backup.id} ended at ${formatLsn(backup.endXlog)}`;
  }
  const parts: LineagePart[] = [];
  let since: Lsn | undefined;
  for (const { timeline: passed, switchLsn } of history.slice(position)) {
    parts.push({ timeline: passed, since, until: switchLsn });
    since = switchLsn;
  }
  return [...parts, { timeline, since, until: undefined }];
}

function latestFrom(own: number, histories: TimelineHistories): number {
  let latest = own;
  while (histories.has(latest + 1)) latest++;
  return latest;
}

/** The newest timeline up to `latest` that the backup leads to. */
function reachableFrom(backup: Backup, latest: number, histories: TimelineHistories): number {
  const own = timelineOfBackup(backup);
  for (let timeline = latest; timeline > own; timeline--) {
    if (typeof lineageTo(backup, timeline, histories) !== 'string') return timeline;
  }
  return own;
}
