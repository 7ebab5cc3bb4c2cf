import type { BackupList, BackupSummary } from '../operations/reports/backup-reports.ts';
import { epochSeconds } from '../shared/timestamp.ts';
import { formatSize } from '../shared/units.ts';
import { isComplete } from './backup-statistics.ts';
import { type Column, shortAge, table } from './table.ts';

const columns: readonly Column[] = [
  { heading: 'BACKUP' },
  { heading: 'KIND' },
  { heading: 'AGE', isNumber: true },
  { heading: 'SIZE', isNumber: true },
  { heading: 'WAL', isNumber: true },
  { heading: 'STATE' },
  { heading: 'RETENTION' },
];

/** `list-backups --table`: the backups of a server for a person, newest first, within 80 columns. */
export function renderBackupTable({ serverName, backups }: BackupList, now: Date): readonly string[] {
  const heading = `${serverName}: ${String(backups.length)} ${backups.length === 1 ? 'backup' : 'backups'}`;
  return [
    heading,
    ...(backups.length === 0
      ? []
      : table(
          columns,
          backups.map((summary) => rowOf(summary, now)),
        )),
  ];
}

function rowOf({ backup, type, wal, retention }: BackupSummary, now: Date): readonly string[] {
  const { endTime, status } = backup;
  const isWhole = isComplete(backup);
  return [
    backup.backupName ?? backup.id,
    type,
    endTime === null ? '-' : shortAge(now.getTime() / 1000 - epochSeconds(endTime)),
    isWhole ? formatSize((backup.size ?? 0) + wal.neededBytes) : '-',
    isWhole ? formatSize(wal.laterBytes) : '-',
    status === 'WAITING_FOR_WALS' ? 'waits for WAL' : status.toLowerCase(),
    retention === 'not enforced' ? '-' : retention.toLowerCase(),
  ];
}
