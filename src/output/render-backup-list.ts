import type { Backup } from '../catalog/backups/backup.ts';
import type { BackupList, BackupSummary } from '../operations/reports/backup-reports.ts';
import type { JsonObject } from '../shared/format-json.ts';
import { epochSeconds, formatCTime, type Timestamp } from '../shared/timestamp.ts';
import { formatSize } from '../shared/units.ts';
import { isComplete } from './backup-statistics.ts';
import type { Report } from './report.ts';

interface ListOptions {
  readonly minimal: boolean;
}

/** `list-backups` of one or more servers, in the order given (docs/reference/cli.md sections 6.2 and 12). */
export function renderBackupList(lists: readonly BackupList[], { minimal }: ListOptions): Report {
  if (minimal) {
    return {
      lines: lists.flatMap(({ backups }) => backups.map(({ backup }) => backup.id)),
      json: Object.fromEntries(lists.map(({ serverName, backups }) => [serverName, backups.map(({ backup }) => backup.id)])),
    };
  }
  // one of the two is asked for, and there may be thousands of backups
  return {
    get lines() {
      return lists.flatMap(({ serverName, backups }) => backups.map((summary) => lineOf(serverName, summary)));
    },
    get json() {
      return Object.fromEntries(lists.map(({ serverName, backups }) => [serverName, backups.map(jsonOf)]));
    },
  };
}

function lineOf(serverName: string, summary: BackupSummary): string {
  const { backup, type, wal } = summary;
  const name = backup.backupName === null ? '' : ` '${backup.backupName}'`;
  const head = `${serverName} ${backup.id}${name} - ${type.charAt(0).toUpperCase()}`;
  if (!isComplete(backup)) return `${head} - ${backup.status}`;
  const parts = [head, endOf(backup), `Size: ${formatSize(sizeOf(summary))}`, `WAL Size: ${formatSize(wal.laterBytes)}`];
  if (backup.status === 'WAITING_FOR_WALS') parts.push(backup.status);
  const retention = shownRetention(summary);
  if (retention !== '-') parts.push(retention);
  return parts.join(' - ');
}

function jsonOf(summary: BackupSummary): JsonObject {
  const { backup, type, wal } = summary;
  const known = {
    backup_id: backup.id,
    ...(backup.backupName === null ? {} : { backup_name: backup.backupName }),
    backup_type: type,
    status: backup.status,
  };
  if (!isComplete(backup)) return known;
  return {
    ...known,
    end_time: endOf(backup),
    end_time_timestamp: stampOf(backup.endTime),
    size: formatSize(sizeOf(summary)),
    size_bytes: sizeOf(summary),
    wal_size: formatSize(wal.laterBytes),
    wal_size_bytes: wal.laterBytes,
    retention_status: shownRetention(summary),
  };
}

/** The copy and the WAL that makes it consistent. */
function sizeOf({ backup, wal }: BackupSummary): number {
  return (backup.size ?? 0) + wal.neededBytes;
}

/** A valid backup is nothing to talk about. */
function shownRetention({ retention }: BackupSummary): string {
  return retention === 'VALID' || retention === 'not enforced' ? '-' : retention;
}

function endOf({ endTime }: Backup): string {
  return endTime === null ? 'None' : formatCTime(endTime);
}

function stampOf(time: Timestamp | null): string {
  return time === null ? '' : String(epochSeconds(time));
}
