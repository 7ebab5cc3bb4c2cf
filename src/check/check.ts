import type { Backup } from '../catalog/backup.ts';
import type { BrokenRecord } from '../catalog/backup-records.ts';
import type { Server } from '../config/server.ts';
import type { Connection } from '../postgres/connect.ts';
import type { StreamIdentity } from '../postgres/replication-commands.ts';
import type { ServerVersion } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';

/** One line of a report (config-checks-hooks.md section 9). */
export interface CheckResult {
  readonly name: string;
  readonly isOk: boolean;
  readonly hint?: string | undefined;
  /** A number behind the line, in bytes: what Nagios draws. */
  readonly perfdata?: number | undefined;
  /** A failure that keeps a backup from starting. */
  readonly isCritical: boolean;
}

/** A connection that works, or why there is none. */
export type Attempt<T> = { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'failed'; readonly reason: string };

/** What the checks of one server share, read once. Connections are tried only for active servers that are not passive. */
export interface CheckFacts {
  readonly server: Server;
  readonly backups: readonly Backup[];
  readonly broken: readonly BrokenRecord[];
  /** Undefined when the server is inactive or passive. */
  readonly connection: Attempt<{ readonly connection: Connection; readonly version: ServerVersion }> | undefined;
  /** Undefined when none is configured, or the server is inactive or passive. */
  readonly streaming: Attempt<StreamIdentity> | undefined;
  /** As above, for the server that WAL comes from; undefined when that is the same one. */
  readonly walConnection: Attempt<{ readonly connection: Connection; readonly version: ServerVersion }> | undefined;
  readonly walStreaming: Attempt<StreamIdentity> | undefined;
}

/** What a check may use beside the facts. */
export interface CheckTools {
  readonly context: Context;
  readonly timeoutSeconds: number;
  /** Archives what waits on the server's channels, quietly; false when another run holds the lock. */
  readonly archivePending: () => Promise<boolean>;
}

/** One entry of the list: gives its lines, none when it has nothing to say. */
export interface Check {
  readonly name: string;
  /** Where it applies: on every server, on those that PostgreSQL is asked about, or on passive ones too. */
  readonly appliesTo: 'every' | 'active';
  run(facts: CheckFacts, tools: CheckTools): Promise<readonly CheckResult[]>;
}
