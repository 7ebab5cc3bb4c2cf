import type { Backup, BackupId, BackupType } from '../../catalog/backups/backup.ts';
import type { Verdict } from '../../retention/plan-retention.ts';

/** How one backup stands under the policy. */
export interface RetentionItem {
  readonly backup: Backup;
  readonly type: BackupType;
  readonly verdict: Verdict;
  /** Obsolete, and still not deleted: a running backup is built on it. */
  readonly isHeld: boolean;
}

/** Why WAL stays or goes. */
export type WalStanding =
  /** The backup cannot be restored without it. */
  | { readonly kind: 'needed-by'; readonly id: BackupId }
  /** With it that backup can be recovered to later points. */
  | { readonly kind: 'recovery-from'; readonly id: BackupId }
  /** Nothing needs it; it goes with the next backup that is deleted and lets WAL go. */
  | { readonly kind: 'needed-by-nothing' }
  /** It goes with that backup. */
  | { readonly kind: 'goes-with'; readonly id: BackupId }
  /** Timeline histories never go. */
  | { readonly kind: 'history' };

/** WAL files of one timeline that stand alike, in the order of their names. */
export interface WalRange {
  readonly standing: WalStanding;
  readonly timeline: number;
  readonly first: string;
  readonly last: string;
  readonly files: number;
  readonly bytes: number;
}

/** `retention` of one server: what stays, what goes, and why. */
export interface RetentionReport {
  readonly serverName: string;
  /** The policy that judged; undefined when there is none. */
  readonly policy: string | undefined;
  /** The one of the configuration, when another was tried. */
  readonly insteadOf: string | undefined;
  readonly isTrial: boolean;
  readonly minimumRedundancy: number;
  /** Newest first. */
  readonly backups: readonly RetentionItem[];
  /** Ids in the order of their deletion. */
  readonly deletions: readonly BackupId[];
  /** By name. */
  readonly wals: readonly WalRange[];
}
