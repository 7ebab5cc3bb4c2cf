import type { Backup, BackupId } from '../catalog/backup.ts';
import type { RetentionPolicy } from './retention-policy.ts';

/** A backup's standing (catalog.md section 15); `-` is a backup that is not DONE. */
export type RetentionStatus = 'VALID' | 'OBSOLETE' | 'OBSOLETE*' | 'KEEP:FULL' | 'KEEP:STANDALONE' | '-';

/** Target of a keep annotation. */
export type KeepTarget = 'full' | 'standalone';

export interface Verdict {
  readonly id: BackupId;
  readonly status: RetentionStatus;
  /** Why, for the log and for a dry run. */
  readonly reason: string;
}

export interface RetentionFacts {
  /** Every backup of the server, in any order; EMPTY ones are left out of the verdicts. */
  readonly backups: readonly Backup[];
  /** Keep annotations by backup. */
  readonly keeps: ReadonlyMap<BackupId, KeepTarget>;
  readonly policy: RetentionPolicy;
  readonly minimumRedundancy: number;
  readonly now: Date;
}

/** One verdict for each backup that is not EMPTY, newest first. Pure: deleting what is OBSOLETE is somebody else's work. */
export function planRetention(facts: RetentionFacts): readonly Verdict[] {
  throw new Error(`to follow: ${String(facts.backups.length)}`);
}
