import type { BackupDetails } from '../operations/reports/backup-reports.ts';
import { backupDetailsJson } from './backup-details-json.ts';
import {
  baseBackupSection,
  catalogSection,
  familyRows,
  row,
  serverSection,
  snapshotSection,
  tablespaceSection,
  topRows,
  walSection,
} from './backup-details-sections.ts';
import { isComplete } from './backup-statistics.ts';
import type { Report } from './report.ts';

/** `show-backup` (docs/reference/cli.md sections 6.3 and 12). */
export function renderBackupDetails(details: BackupDetails): Report {
  return { lines: linesOf(details), json: { [details.serverName]: backupDetailsJson(details) } };
}

function linesOf(details: BackupDetails): string[] {
  const { backup } = details;
  const head = [`Backup ${backup.id}:`, ...topRows(details), '', ...serverSection(details)];
  if (!isComplete(backup)) return backup.error === null ? head : [...head, row('Error', backup.error)];
  return [
    ...head,
    ...snapshotSection(details),
    ...tablespaceSection(details),
    ...baseBackupSection(details),
    ...walSection(details),
    ...catalogSection(details),
    ...timelineWarning(details),
    ...familyRows(details),
  ];
}

function timelineWarning({ childTimelines }: BackupDetails): string[] {
  if (childTimelines.length === 0) return [];
  return ['', 'WARNING: WAL information is inaccurate due to multiple timelines interacting with this backup'];
}
