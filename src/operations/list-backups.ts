import { Writable } from 'node:stream';
import { archivedWalPath } from '../catalog/archive-layout.ts';
import { type Backup, type BackupId, backupTypeOf, isCopyDone } from '../catalog/backup.ts';
import { readBackupRecords } from '../catalog/backup-records.ts';
import { neighboursOf } from '../catalog/find-backup.ts';
import type { WalEntry } from '../catalog/wal-entry.ts';
import { WalIndex } from '../catalog/wal-index.ts';
import { WalCounter } from '../catalog/wal-statistics.ts';
import type { Server } from '../config/server.ts';
import { storageOf, writePlainWal } from '../encryption/stored-wal.ts';
import type { RetentionStatus } from '../retention/plan-retention.ts';
import type { Context } from '../shared/context.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { parseTimelineHistory, type TimelineSwitch } from '../wal/timeline-history.ts';
import { timelineOf, walKindOf } from '../wal/wal-name.ts';
import { findBackupOrFail } from './find-backup-or-fail.ts';
import { judgeBackups } from './judge-backups.ts';
import type { BackupDetails, BackupList, BackupSummary } from './reports/backup-reports.ts';

/** All backups of a server, newest first (cli.md section 6.2). Records that cannot be read are told as errors; the others are listed. */
export async function listBackups(server: Server, context: Context): Promise<BackupList> {
  const { backups, broken } = await readBackupRecords(server.layout);
  for (const { reason } of broken) context.messages.error(reason.message);
  const counter = await countWals(server, backups, backups.filter(isCopyDone));
  const statuses = await retentionStatuses(server, backups, context);
  const summaries = backups.map((backup) => summaryOf(backup, counter, statuses));
  return { serverName: server.config.name, backups: summaries.toReversed() };
}

/** One backup in detail (cli.md section 6.3). */
export async function showBackup(server: Server, wanted: string, context: Context): Promise<BackupDetails> {
  const { backup, backups } = await findBackupOrFail(server, wanted);
  const histories: WalEntry[] = [];
  const counter = await countWals(server, backups, [backup], (entry) => {
    if (walKindOf(entry.name) === 'history') histories.push(entry);
  });
  const { previous, next } = neighboursOf(backups, backup);
  return {
    ...summaryOf(backup, counter, await retentionStatuses(server, backups, context)),
    serverName: server.config.name,
    previousId: previous?.id,
    nextId: next?.id,
    childTimelines: await childTimelines(server, backup, histories),
    chain: chainOf(backup, backups),
  };
}

function summaryOf(
  backup: Backup,
  counter: WalCounter,
  statuses: ReadonlyMap<BackupId, RetentionStatus> | undefined,
): BackupSummary {
  return {
    backup,
    type: backupTypeOf(backup),
    wal: counter.statisticsOf(backup),
    retention: statuses === undefined ? 'not enforced' : (statuses.get(backup.id) ?? '-'),
  };
}

async function countWals(
  server: Server,
  all: readonly Backup[],
  wanted: readonly Backup[],
  alsoVisit?: (entry: WalEntry) => void,
): Promise<WalCounter> {
  const counter = new WalCounter(all, wanted);
  if (!wanted.some(isCopyDone)) return counter;
  await using index = await WalIndex.open(server.layout);
  await index.visit((entry) => {
    counter.add(entry);
    alsoVisit?.(entry);
  });
  return counter;
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

/** Timelines that leave this backup's timeline at or after its end (engine.md section 13.1). */
async function childTimelines(server: Server, backup: Backup, histories: readonly WalEntry[]): Promise<number[]> {
  const { timeline, endXlog } = backup;
  if (timeline === null || endXlog === null) return [];
  const children: number[] = [];
  for (const { name } of histories.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const child = timelineOf(name);
    if (child <= timeline) continue;
    const switches = await readHistory(server, name);
    if (switches.some((left) => left.timeline === timeline && left.switchLsn >= endXlog)) children.push(child);
  }
  return children;
}

/** What a history file in the archive says, compressed or encrypted or not. */
async function readHistory(server: Server, name: WalEntry['name']): Promise<TimelineSwitch[]> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  await writePlainWal(archivedWalPath(server.layout, name), sink, storageOf(server));
  return parseTimelineHistory(Buffer.concat(chunks).toString('utf8'), name);
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
