import type { CheckResult } from '../../check/check.ts';
import type { StreamingClient } from '../../postgres/streaming-clients.ts';
import type { Json } from '../../shared/format-json.ts';
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

/** A value as `show-servers` prints it in Python's words, and as JSON has it. */
export interface ShownValue {
  readonly text: string;
  readonly json: unknown;
  /** As `diagnose` has it, where that is something else. */
  readonly diagnosed?: Json;
}

/** `show-servers`: every key with its value, as Barman has them, and what is ours. */
export interface ServerDetails extends ServerHeading {
  readonly description: string | undefined;
  readonly values: Readonly<Record<string, ShownValue>>;
  readonly own: Readonly<Record<string, ShownValue>>;
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
