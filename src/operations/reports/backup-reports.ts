import type { Backup, BackupId, BackupType } from '../../catalog/backups/backup.ts';
import type { WalStatistics } from '../../catalog/index/wal-statistics.ts';
import type { RetentionStatus } from '../../retention/plan-retention.ts';

/** One backup in a list. */
export interface BackupSummary {
  readonly backup: Backup;
  readonly type: BackupType;
  readonly wal: WalStatistics;
  /** `not enforced` without a retention policy. */
  readonly retention: RetentionStatus | 'not enforced';
}

/** `list-backups` of one server, newest first. */
export interface BackupList {
  readonly serverName: string;
  readonly backups: readonly BackupSummary[];
}

/** `show-backup`. */
export interface BackupDetails extends BackupSummary {
  readonly serverName: string;
  readonly previousId: BackupId | undefined;
  readonly nextId: BackupId | undefined;
  /** Timelines that begin after this backup, ascending. */
  readonly childTimelines: readonly number[];
  /** Set for an incremental backup. */
  readonly chain: { readonly rootId: BackupId; readonly parentId: BackupId; readonly length: number } | undefined;
}
