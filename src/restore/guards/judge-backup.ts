import type { Backup } from '../../catalog/backups/backup.ts';
import { formatLongTime, type Timestamp, timestampFromEpoch } from '../../shared/timestamp.ts';
import { formatLsn, type Lsn } from '../../wal/lsn.ts';
import { segmentAtLsn, segmentIndex } from '../../wal/wal-name.ts';
import { planTimeline, type TimelineHistories, type TimelinePlan } from '../plan/plan-timeline.ts';
import type { TimelineChoice } from '../plan/restore-options.ts';
import type { RecoveryTarget } from '../target/recovery-target.ts';
import type { WalCoverage } from '../wal/wal-coverage.ts';

/** The operator's target, and the way to it. */
export interface RestoreWish {
  readonly target: RecoveryTarget;
  readonly timeline: TimelineChoice | undefined;
  readonly standbyMode: boolean;
  readonly fetchesWal: boolean;
  /** The restored server goes on for good, and what it finds can be chosen. */
  readonly followsSwitches?: boolean;
  /** The operator has missing WAL elsewhere, or does without what it holds. */
  readonly acceptsMissingWal?: boolean;
}

/** The known facts about the archive. */
export interface ArchiveFacts {
  readonly histories: TimelineHistories;
  readonly coverageFor: (segmentSize: number) => WalCoverage;
  readonly now: Timestamp;
}

export type BackupVerdict =
  | { readonly kind: 'reachable'; readonly timelines: TimelinePlan; readonly warnings: readonly string[] }
  | {
      readonly kind: 'unreachable';
      readonly reason: string;
      /** Only WAL is missing, which an operator may accept. */
      readonly isForWal?: true;
    };

/**
 * Whether the wish can be fulfilled from this backup. `unreachable` only when that is certain; what can go wrong beyond that is a
 * warning. Where a restore point or a transaction lies in the WAL is not known to us.
 */
export function judgeBackup(backup: Backup, wish: RestoreWish, facts: ArchiveFacts): BackupVerdict {
  const tooEarly = reasonAgainstTarget(backup, wish.target, facts.now);
  if (tooEarly !== undefined) return { kind: 'unreachable', reason: tooEarly };
  const isArchiveRecovery = wish.target.kind !== 'none' || wish.timeline !== undefined || wish.standbyMode || wish.fetchesWal;
  const { timeline: choice, followsSwitches = false } = wish;
  const verdict = planTimeline(backup, { choice, isArchiveRecovery, followsSwitches }, facts.histories);
  if (verdict.kind === 'refused') return { kind: 'unreachable', reason: verdict.reason };
  const timelines = verdict.plan;
  const wal = judgeWal(backup, { wish, timelines, coverage: facts.coverageFor(backup.xlogSegmentSize) });
  if ('reason' in wal) return { kind: 'unreachable', ...wal };
  return { kind: 'reachable', timelines, warnings: [...timelines.warnings, ...wal.warnings] };
}

function reasonAgainstTarget(backup: Backup, target: RecoveryTarget, now: Timestamp): string | undefined {
  if (target.kind === 'time') {
    const { time } = target;
    if (time.epochMicros > now.epochMicros) return `the requested target time ${formatLongTime(time)} lies in the future`;
    if (backup.endTime !== null && time.epochMicros < backup.endTime.epochMicros) {
      return `the requested target time ${formatLongTime(time)} is before the backup end time ${formatLongTime(backup.endTime)}`;
    }
  }
  if (target.kind === 'lsn' && backup.endXlog !== null && target.lsn < backup.endXlog) {
    return `the requested target LSN ${formatLsn(target.lsn)} is before the end of backup ${backup.id} at ${formatLsn(backup.endXlog)}`;
  }
  return undefined;
}

interface WalQuestion {
  readonly wish: RestoreWish;
  readonly timelines: TimelinePlan;
  readonly coverage: WalCoverage;
}

type WalAnswer = { readonly reason: string; readonly isForWal: true } | { readonly warnings: readonly string[] };

function missing(reason: string): WalAnswer {
  return { reason, isForWal: true };
}

function judgeWal(backup: Backup, question: WalQuestion): WalAnswer {
  const { wish, coverage } = question;
  if (backup.beginWal === null || backup.endWal === null) return { warnings: [] };
  const begin = segmentIndex(backup.beginWal, coverage.segmentSize);
  const end = segmentIndex(backup.endWal, coverage.segmentSize);
  const lacking = firstMissing(question, begin, end);
  if (lacking !== undefined) {
    const text = `WAL segment ${lacking.name} is missing in the archive and backup ${backup.id} needs it`;
    // a standby can get it by streaming, and get-wal asks again when it has arrived
    const canStillCome =
      wish.standbyMode || wish.acceptsMissingWal === true || (wish.fetchesWal && backup.status === 'WAITING_FOR_WALS');
    return canStillCome ? { warnings: [text] } : missing(text);
  }
  if (wish.target.kind === 'immediate') return { warnings: [] };
  const lost = lostSwitch(question);
  if (lost === undefined) return judgeBeyond(question, end);
  const text = `WAL segment ${lost.name} is missing in the archive, in which timeline ${String(lost.timeline)} begins: replay would stay on the older timeline`;
  if (wish.timeline !== undefined)
    return wish.standbyMode || wish.acceptsMissingWal === true ? { warnings: [text] } : missing(text);
  const answer = judgeBeyond(question, end);
  return 'reason' in answer ? answer : { warnings: [text, ...answer.warnings] };
}

/** The WAL after the end of the backup. @param end number of its last segment */
function judgeBeyond(question: WalQuestion, end: number): WalAnswer {
  const { wish, timelines, coverage } = question;
  const last = coverage.lastIndex(timelines.lineage) ?? end;
  if (wish.target.kind === 'lsn') return judgeLsn(wish.target.lsn, { ...question, end, last });
  const gap = last > end ? firstMissing(question, end, last) : undefined;
  if (wish.target.kind === 'time') return judgeTime(wish.target.time, question, gap);
  return {
    warnings: gap === undefined ? [] : [`WAL segment ${gap.name} is missing in the archive: replay cannot go beyond it`],
  };
}

function judgeLsn(lsn: Lsn, question: WalQuestion & { readonly end: number; readonly last: number }): WalAnswer {
  const { wish, timelines, coverage, end, last } = question;
  const wanted = segmentIndex(segmentAtLsn(lsn, 1, coverage.segmentSize).name, coverage.segmentSize);
  const lacking = firstMissing(question, end, wanted);
  if (lacking === undefined) return { warnings: [] };
  const text =
    wanted > last && lacking.index > last
      ? `the requested target LSN ${formatLsn(lsn)} lies after the last archived WAL segment ${coverage.nameAt(last, timelines.lineage)}`
      : `WAL segment ${lacking.name} is missing in the archive, before the requested target LSN ${formatLsn(lsn)}`;
  return wish.standbyMode || wish.acceptsMissingWal === true ? { warnings: [text] } : missing(text);
}

function judgeTime(time: Timestamp, { wish, coverage }: WalQuestion, gap: Missing | undefined): WalAnswer {
  const seconds = Number(time.epochMicros) / 1e6;
  if (gap !== undefined) {
    const text = `WAL segment ${gap.name} is missing in the archive`;
    // a commit after the target must be read before replay stops; what precedes the gap ends earlier
    const isBeyond = gap.timeBefore !== undefined && seconds > gap.timeBefore;
    if (!isBeyond) return { warnings: [`${text}, probably after the requested target time`] };
    const beyond = `${text}, before the requested target time ${formatLongTime(time)}`;
    return wish.standbyMode || wish.acceptsMissingWal === true ? { warnings: [beyond] } : missing(beyond);
  }
  if (coverage.newestTime === undefined || seconds <= coverage.newestTime) return { warnings: [] };
  const newest = formatLongTime(timestampFromEpoch(Math.floor(coverage.newestTime)));
  return {
    warnings: [
      `no archived WAL is as new as the requested target time ${formatLongTime(time)}, the newest is of ${newest}: PostgreSQL may stop with an error before it`,
    ],
  };
}

/** The first segment of a timeline on the way that is not there: PostgreSQL then reads on in the same segment of the timeline that was left. */
function lostSwitch({ timelines, coverage }: WalQuestion): { readonly name: string; readonly timeline: number } | undefined {
  for (const part of timelines.lineage) {
    if (part.since === undefined) continue;
    const { name } = segmentAtLsn(part.since, part.timeline, coverage.segmentSize);
    // one that was left in the segment in which it began is all in the file of the next one
    if (part.until !== undefined && segmentAtLsn(part.until, part.timeline, coverage.segmentSize).name === name) continue;
    if (coverage.timeAt(segmentIndex(name, coverage.segmentSize), [part], false) === undefined)
      return { name, timeline: part.timeline };
  }
  return undefined;
}

interface Missing {
  readonly name: string;
  readonly index: number;
  /** Time of the last WAL before it. */
  readonly timeBefore: number | undefined;
}

function firstMissing({ timelines, coverage }: WalQuestion, first: number, last: number): Missing | undefined {
  for (let index = first; index <= last; index++) {
    // up to the last one, what was written before a switch is enough
    if (coverage.timeAt(index, timelines.lineage, index === last) !== undefined) continue;
    const timeBefore = coverage.timeAt(index, timelines.lineage, true) ?? coverage.timeAt(index - 1, timelines.lineage, true);
    return { name: coverage.nameAt(index, timelines.lineage), index, timeBefore };
  }
  return undefined;
}
