import type { BackupId } from '../../catalog/backups/backup.ts';
import type { RecoverableWindow } from '../../catalog/wal/judge-continuity.ts';
import type { LastTransaction } from '../../catalog/wal/last-transaction.ts';
import type { LostWals } from '../../catalog/wal/lost-wals.ts';
import type { Histories } from '../../catalog/wal/read-histories.ts';
import type { CheckResult } from '../../check/check.ts';
import type { ArchiverStatistics } from '../../postgres/server-queries.ts';
import type { StreamingClient } from '../../postgres/streaming-clients.ts';
import type { Timestamp } from '../../shared/timestamp.ts';
import type { Lsn } from '../../wal/lsn.ts';
import type { SegmentName } from '../../wal/wal-name.ts';

/** How a server stands in the configuration. */
export interface ServerHeading {
  readonly name: string;
  readonly isActive: boolean;
  readonly isDisabled: boolean;
  readonly isPassive: boolean;
}

/** `list-servers`. */
export interface ServerListItem extends ServerHeading {
  readonly description: string | undefined;
}

/** A value of `show-servers`. A plain one is a text, a number, a truth value or a list, and undefined where nobody knows it. */
export type ServerFact =
  | { readonly kind: 'plain'; readonly value: unknown }
  | { readonly kind: 'float'; readonly value: number }
  /** A number with all the digits that PostgreSQL gave it. */
  | { readonly kind: 'decimal'; readonly value: number | string | undefined }
  | { readonly kind: 'time'; readonly time: Timestamp | undefined }
  | { readonly kind: 'words'; readonly option: 'backup_options' | 'recovery_options'; readonly words: readonly string[] }
  | { readonly kind: 'span'; readonly seconds: number }
  /** `last_backup_maximum_age`, and how old the newest backup is. */
  | { readonly kind: 'backup-age'; readonly mostSeconds: number | undefined; readonly seconds: number | undefined }
  | { readonly kind: 'slot'; readonly name: string; readonly isActive: boolean; readonly restartLsn: Lsn | undefined };

/** A value that needs no more to be said of it. */
export function plain(value: unknown): ServerFact {
  return { kind: 'plain', value };
}

/** An option of a server that a model gives another value. */
export interface OptionChange {
  readonly option: string;
  readonly serverName: string;
  readonly was: ServerFact;
  readonly is: ServerFact;
  readonly modelName: string;
}

/** `show-servers`: every key with its value, as Barman has them, and what is ours. */
export interface ServerDetails extends ServerHeading {
  readonly description: string | undefined;
  readonly values: Readonly<Record<string, ServerFact>>;
  readonly own: Readonly<Record<string, ServerFact>>;
}

/** `status` of one server. */
export interface ServerStatus extends ServerHeading {
  readonly description: string | undefined;
  readonly activeModel: string | undefined;
  /** Undefined for a server that is not asked. */
  readonly postgres: PostgresStatus | 'unreachable' | undefined;
  readonly catalog: CatalogStatus;
  readonly primarySshCommand: string | undefined;
  /** What waits to be archived for too long; undefined where nothing does. */
  readonly stuckWal: string | undefined;
  readonly continuity: ContinuityStatus;
  /** Undefined where no nodes are named. */
  readonly cluster: ClusterStatus | undefined;
}

/** What PostgreSQL says of itself. */
export interface PostgresStatus {
  readonly version: string;
  readonly isInRecovery: boolean;
  readonly sizeBytes: number | undefined;
  readonly dataDirectory: string | undefined;
  /** Undefined for a standby. */
  readonly currentSegment: string | undefined;
  /** Undefined for a server without `archiver`. */
  readonly archiver: { readonly command: string | undefined; readonly statistics: ArchiverStatistics } | undefined;
}

export interface CatalogStatus {
  /** The policy that is enforced, as the configuration writes it. */
  readonly retentionPolicy: string | undefined;
  readonly doneCount: number;
  readonly firstBackup: BackupId | undefined;
  readonly lastBackup: BackupId | undefined;
  /** Backups that count for the redundancy. */
  readonly redundancy: number;
  readonly minimumRedundancy: number;
}

/** What can be recovered, and what keeps it from being more. */
export type ContinuityStatus =
  /** No copy of a backup is complete. */
  | { readonly kind: 'none' }
  | { readonly kind: 'unknown'; readonly reason: string }
  | {
      readonly kind: 'known';
      /** From the oldest backup to what was written last, whatever the timelines. */
      readonly whole: RecoveryWindow | undefined;
      readonly windows: readonly RecoverableWindow[];
      /** By the last segment of a window, where its WAL ends. */
      readonly transactions: ReadonlyMap<SegmentName, LastTransaction>;
      readonly holes: readonly string[];
      readonly waitingCount: number;
      readonly unreadable: Histories['unreadable'];
      readonly lost: LostWals | undefined;
    };

export type RecoveryWindow = Pick<RecoverableWindow, 'from' | 'to'>;

/** Which node of a cluster is followed, and what its switches have cost. */
export interface ClusterStatus {
  readonly followed: { readonly name: string; readonly timeline: number; readonly since: Date } | undefined;
  readonly switchCount: number;
  /** Losses that nobody has acknowledged. */
  readonly losses: readonly string[];
}

/** `check` of one server. */
export interface CheckReport extends ServerHeading {
  readonly results: readonly CheckResult[];
  /** Lines below `configuration: FAILED`. */
  readonly problems: readonly string[];
}

export type ReplicationTarget = 'all' | 'hot-standby' | 'wal-streamer';

/** `replication-status` of one server. */
export interface ReplicationReport {
  readonly serverName: string;
  readonly target: ReplicationTarget;
  readonly isInRecovery: boolean;
  readonly currentLsn: Lsn | undefined;
  readonly clients: readonly StreamingClient[];
}
