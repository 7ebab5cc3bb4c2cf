import { type Backup, type BackupId, backupTypeOf, isCopyDone } from '../../catalog/backups/backup.ts';
import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import { neighboursOf } from '../../catalog/backups/find-backup.ts';
import { readLedger } from '../../catalog/index/read-ledger.ts';
import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import { WalLedger } from '../../catalog/index/wal-ledger.ts';
import { walStatistics } from '../../catalog/index/wal-statistics.ts';
import { readHistories } from '../../catalog/wal/read-histories.ts';
import type { Server } from '../../config/server.ts';
import type { RetentionStatus } from '../../retention/plan-retention.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { findBackupOrFail } from '../backup/find-backup-or-fail.ts';
import { judgeBackups } from '../backup/judge-backups.ts';
import type { BackupDetails, BackupList, BackupSummary } from '../reports/backup-reports.ts';

/** All backups of a server, newest first (docs/reference/cli.md section 6.2). Records that cannot be read are told as errors; the others are listed. */
export async function listBackups(server: Server, context: Context): Promise<BackupList> {
  const { backups, broken } = await readBackupRecords(server.layout);
  for (const { reason } of broken) context.messages.error(reason.message);
  const ledger = backups.some(isCopyDone) ? await readLedger(server.layout, context) : new WalLedger();
  const statuses = await retentionStatuses(server, backups, context);
  const nextOf = nextUsable(backups);
  const summaries = backups.map((backup) => summaryOf(backup, { ledger, next: nextOf.get(backup.id), statuses }));
  return { serverName: server.config.name, backups: summaries.toReversed() };
}

/** One backup in detail (docs/reference/cli.md section 6.3). */
export async function showBackup(server: Server, wanted: string, context: Context): Promise<BackupDetails> {
  const { backup, backups } = await findBackupOrFail(server, wanted);
  const ledger = isCopyDone(backup) ? await readLedger(server.layout, context) : new WalLedger();
  const { previous, next } = neighboursOf(backups, backup);
  return {
    ...summaryOf(backup, { ledger, next, statuses: await retentionStatuses(server, backups, context) }),
    serverName: server.config.name,
    previousId: previous?.id,
    nextId: next?.id,
    childTimelines: await childTimelines(server, backup, ledger.histories, context),
    chain: chainOf(backup, backups),
  };
}

interface Surroundings {
  readonly ledger: WalLedger;
  /** The next usable backup. */
  readonly next: Backup | undefined;
  readonly statuses: ReadonlyMap<BackupId, RetentionStatus> | undefined;
}

function summaryOf(backup: Backup, { ledger, next, statuses }: Surroundings): BackupSummary {
  return {
    backup,
    type: backupTypeOf(backup),
    wal: isCopyDone(backup) ? walStatistics(ledger, backup, next) : walStatistics(new WalLedger(), backup, next),
    retention: statuses === undefined ? 'not enforced' : (statuses.get(backup.id) ?? '-'),
  };
}

/** The usable backup after each one, for all of them together. @param backups oldest first */
function nextUsable(backups: readonly Backup[]): ReadonlyMap<BackupId, Backup> {
  const found = new Map<BackupId, Backup>();
  let next: Backup | undefined;
  for (const backup of backups.toReversed()) {
    if (next !== undefined) found.set(backup.id, next);
    if (isCopyDone(backup)) next = backup;
  }
  return found;
}

/** Undefined when no retention policy is enforced. */
async function retentionStatuses(
  server: Server,
  backups: readonly Backup[],
  context: Pick<Context, 'clock'>,
): Promise<ReadonlyMap<BackupId, RetentionStatus> | undefined> {
  const verdicts = await judgeBackups(server, backups, context);
  return verdicts === undefined ? undefined : new Map(verdicts.map(({ id, status }) => [id, status]));
}

/** Timelines that leave this backup's timeline at or after its end (docs/reference/engine.md section 13.1). */
async function childTimelines(
  server: Server,
  { timeline, endXlog }: Backup,
  histories: readonly WalEntry[],
  context: Context,
): Promise<number[]> {
  if (timeline === null || endXlog === null) return [];
  const names = histories.map(({ name }) => name);
  const read = await readHistories(server, names, context);
  for (const { name, reason } of read.unreadable) {
    context.log.warning(`the history file ${name} of server '${server.config.name}' cannot be read: ${reason}`);
  }
  const leaves = [...read.histories].filter(([child, switches]) => {
    return child > timeline && switches.some((left) => left.timeline === timeline && left.switchLsn >= endXlog);
  });
  return leaves.map(([child]) => child).toSorted((a, b) => a - b);
}

function chainOf(backup: Backup, backups: readonly Backup[]): BackupDetails['chain'] {
  const { parentBackupId } = backup;
  if (parentBackupId === null) return undefined;
  let root = backup;
  let length = 1;
  for (const seen = new Set([backup.id]); root.parentBackupId !== null; length++) {
    const parent = backups.find(({ id }) => id === root.parentBackupId);
    if (parent === undefined) break;
    if (seen.has(parent.id))
      throw new OperatorError('backup-info-invalid', `backup ${backup.id} is its own ancestor`, {
        hint: 'repair parent_backup_id in the records',
      });
    seen.add(parent.id);
    root = parent;
  }
  return { rootId: root.id, parentId: parentBackupId, length };
}
