import type { CheckResult } from '../../check/check.ts';
import type { StreamingClient } from '../../postgres/streaming-clients.ts';
import type { Timestamp } from '../../shared/timestamp.ts';
import type { Lsn } from '../../wal/lsn.ts';

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

/** One line of `status`. */
export interface StatusItem {
  readonly key: string;
  readonly label: string;
  readonly message: string;
}

export interface ServerStatus {
  readonly name: string;
  readonly items: readonly StatusItem[];
  /** Facts that Barman does not show. */
  readonly own: readonly StatusItem[];
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
