import { type Backup, type BackupId, isCopyDone } from '../../catalog/backups/backup.ts';
import { findBackup } from '../../catalog/backups/find-backup.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { type ArchiveFacts, type BackupVerdict, judgeBackup, type RestoreWish } from '../guards/judge-backup.ts';
import type { TimelinePlan } from './plan-timeline.ts';
import { unavailableKindOf } from './restore-options.ts';

/** A newer backup that was not taken. */
export interface PassedOver {
  readonly id: BackupId;
  readonly reason: string;
}

/** The backup to restore and the way from it. */
export interface BackupChoice {
  readonly backup: Backup;
  readonly timelines: TimelinePlan;
  readonly warnings: readonly string[];
  /** For `auto`. */
  readonly passedOver: readonly PassedOver[];
}

interface Choosing {
  readonly serverName: string;
  /** Every backup of the server, oldest first. */
  readonly backups: readonly Backup[];
  readonly wish: RestoreWish;
}

const shownAlternatives = 3;
const judgedAlternatives = 50;

/**
 * The backup that the operator means, without looking at the target; undefined for `auto`.
 * @throws OperatorError `unknown-backup`, `backup-not-usable` or `not-available-yet`
 */
export function namedBackup({ serverName, backups }: Omit<Choosing, 'wish'>, wanted: string): Backup | undefined {
  if (wanted === 'auto') return undefined;
  const found = findBackup(backups, wanted);
  if (found.kind === 'unknown')
    throw new OperatorError('unknown-backup', `Unknown backup '${wanted}' for server '${serverName}'`);
  if (found.kind === 'ambiguous') {
    throw new OperatorError('unknown-backup', `several backups of server '${serverName}' have the name '${wanted}'`, {
      hint: `use one of the ids ${idsOf(found.backups)}`,
    });
  }
  const { backup } = found;
  if (!isCopyDone(backup)) {
    throw new OperatorError(
      'backup-not-usable',
      `cannot restore from backup '${backup.id}' of server '${serverName}': backup status is not DONE`,
      {
        hint: `its status is ${backup.status}`,
      },
    );
  }
  const unavailable = unavailableKindOf(backup);
  if (unavailable !== undefined) throw new OperatorError('not-available-yet', `backup ${backup.id}: ${unavailable}`);
  return backup;
}

/**
 * The backup to restore: the one that was named, if the target can be reached from it, or for `auto` the newest one from which it can.
 * @throws OperatorError as {@link namedBackup}, and `target-unreachable` or `target-invalid`
 */
export function chooseBackup(choosing: Choosing, wanted: string, facts: ArchiveFacts): BackupChoice {
  const backup = namedBackup(choosing, wanted);
  if (backup === undefined) return chooseAutomatically(choosing, facts);
  const verdict = judgeBackup(backup, choosing.wish, facts);
  if (verdict.kind === 'reachable') return { backup, ...verdict, passedOver: [] };
  const hint = hintFor(choosing, backup, facts);
  const accepting = verdict.isForWal === true ? '; --allow missing-wal restores nevertheless' : '';
  throw new OperatorError('target-unreachable', verdict.reason, { hint: `${hint}${accepting}` });
}

function chooseAutomatically({ serverName, backups, wish }: Choosing, facts: ArchiveFacts): BackupChoice {
  if (!['none', 'time', 'lsn'].includes(wish.target.kind)) {
    throw new OperatorError('target-invalid', `with 'auto' a target can be a time or an LSN, not ${wordFor(wish)}`, {
      hint: 'name a backup',
      asBarman: `For PITR without a backup_id, the only possible recovery targets are target_time and target_lsn. 'target_${wish.target.kind}' recovery target is not allowed without a backup_id.`,
    });
  }
  if (wish.timeline === 'current') {
    throw new OperatorError('target-invalid', "'current' is the timeline of a backup, so it cannot go with 'auto'", {
      hint: 'name a backup',
    });
  }
  const warnings: string[] = [];
  const passedOver: PassedOver[] = [];
  let refusal: BackupVerdict | undefined;
  for (const backup of backups.toReversed()) {
    if (!isCopyDone(backup)) {
      passedOver.push({ id: backup.id, reason: `its status is ${backup.status}` });
      continue;
    }
    const verdict = judgeBackup(backup, wish, facts);
    if (verdict.kind === 'unreachable') {
      refusal ??= verdict;
      passedOver.push({ id: backup.id, reason: verdict.reason });
      continue;
    }
    const unavailable = unavailableKindOf(backup);
    if (unavailable === undefined) {
      return { backup, timelines: verdict.timelines, warnings: [...warnings, ...verdict.warnings], passedOver };
    }
    warnings.push(`backup ${backup.id} is passed over: ${unavailable}`);
    passedOver.push({ id: backup.id, reason: unavailable });
  }
  const reason = refusal?.kind === 'unreachable' ? `: ${refusal.reason}` : '';
  throw new OperatorError(
    'target-unreachable',
    `cannot find any candidate backup of server '${serverName}' for recovery${reason}`,
    { asBarman: 'Cannot find any candidate backup for recovery.' },
  );
}

function hintFor({ backups, wish }: Choosing, refused: Backup, facts: ArchiveFacts): string {
  const reaching: Backup[] = [];
  const others = backups.filter(
    (backup) => backup.id !== refused.id && isCopyDone(backup) && unavailableKindOf(backup) === undefined,
  );
  for (const backup of others.toReversed().slice(0, judgedAlternatives)) {
    if (judgeBackup(backup, wish, facts).kind === 'reachable') reaching.push(backup);
    if (reaching.length === shownAlternatives) break;
  }
  if (reaching.length === 0) return 'no other backup of this server can reach it either';
  return `it can be reached from ${idsOf(reaching)}`;
}

function wordFor({ target }: RestoreWish): string {
  return { none: 'none', time: 'a time', lsn: 'an LSN', xid: 'a transaction', name: 'a name', immediate: 'immediate' }[
    target.kind
  ];
}

function idsOf(backups: readonly Backup[]): string {
  return backups.map(({ id }) => id).join(', ');
}
