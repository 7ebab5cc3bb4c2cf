import type { Backup } from '../../catalog/backups/backup.ts';
import { readLastTransaction } from '../../catalog/wal/last-transaction.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { formatLongTime } from '../../shared/timestamp.ts';
import { type SegmentName, segmentIndex } from '../../wal/wal-name.ts';
import type { ArchiveFacts } from '../guards/judge-backup.ts';
import type { TimelinePlan } from '../plan/plan-timeline.ts';
import type { RestoreAim, Told } from '../plan/restore-aim.ts';

/** Since this version PostgreSQL stops with an error when WAL ends before the target; before, it opened there. */
const stopsWithErrorSince = 130_000;

interface Way {
  readonly backup: Backup;
  readonly timelines: TimelinePlan;
  readonly facts: ArchiveFacts;
}

/**
 * Refuses a target time that no transaction in the WAL reaches: PostgreSQL stops replay at the first transaction that ended after it, and has to find one.
 * Nothing is refused where WAL can still come, or where it cannot be read.
 * @returns whether the WAL reaches the target; undefined when that is not known, or no time was asked for
 */
export async function refuseLateTarget(
  aim: RestoreAim,
  way: Way,
  { refusals, warnings }: Told,
  context: Context,
): Promise<boolean | undefined> {
  const { server, request, target } = aim;
  if (target.kind !== 'time') return undefined;
  const last = await readLastTransaction(server, segmentsOf(way), context);
  if (last.kind === 'unknown') return undefined;
  const { epochMicros } = target.time;
  if (epochMicros < last.endMicros || (request.isExclusive && epochMicros === last.endMicros)) return true;
  const end = formatLongTime({ epochMicros: last.endMicros, offsetMinutes: target.time.offsetMinutes });
  const reason = `the last transaction in the WAL ended at ${end} (${last.segment}), not after the requested target time ${formatLongTime(target.time)}`;
  const isFatal = (way.backup.version ?? 0) >= stopsWithErrorSince;
  if (request.standbyMode || request.fetchesWal || !isFatal) {
    warnings.push(
      `${reason}: ${isFatal ? 'PostgreSQL stops with an error unless more WAL arrives' : 'PostgreSQL opens there'}`,
    );
    return false;
  }
  const error = new OperatorError('target-unreachable', `${reason}: PostgreSQL would stop with an error`, {
    hint: 'leave --target-time out to recover all of it, or archive newer WAL first (switch-wal --archive)',
  });
  refusals.add(error, 'missing-wal');
  return false;
}

/** The segments that replay reads, from the last one before a gap back to the end of the backup. */
function* segmentsOf({ backup, timelines: { lineage }, facts }: Way): Generator<SegmentName> {
  if (backup.beginWal === null || backup.endWal === null) return;
  const coverage = facts.coverageFor(backup.xlogSegmentSize);
  const [begin, end] = [backup.beginWal, backup.endWal].map((name) => segmentIndex(name, coverage.segmentSize));
  if (begin === undefined || end === undefined) return;
  let last = end;
  const newest = coverage.lastIndex(lineage) ?? end;
  while (last < newest && coverage.timeAt(last + 1, lineage, true) !== undefined) last++;
  for (let index = last; index >= begin; index--) yield coverage.nameAt(index, lineage);
}
