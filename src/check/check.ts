import type { Backup } from '../catalog/backups/backup.ts';
import type { BrokenRecord } from '../catalog/backups/backup-records.ts';
import type { Server } from '../config/server.ts';
import type { ClientProgram, ClientProgramName } from '../postgres/client-programs.ts';
import type { Connection } from '../postgres/connect.ts';
import type { StreamIdentity } from '../postgres/replication-commands.ts';
import type { Difference } from '../postgres/server-nodes.ts';
import type { ServerVersion } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import type { OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/hosts/host.ts';
import type { TimelineSwitch } from '../wal/timeline-history.ts';
import type { NamedRemedy, RemedyKey } from './remedies.ts';
import type { FilledRemedy } from './remedy.ts';
import type { WalReading } from './wal-reading.ts';

/** One line of a report (docs/reference/config-checks-hooks.md section 9). */
export interface CheckResult {
  readonly name: string;
  readonly isOk: boolean;
  readonly hint?: string | undefined;
  /** Barman's text in place of the hint. */
  readonly asBarman?: string | undefined;
  /** A number behind the line, in bytes: what Nagios draws. */
  readonly perfdata?: number | undefined;
  /** A failure that keeps a backup from starting. */
  readonly isCritical: boolean;
  /** Of a failure: why, and what mends it. */
  readonly remedy?: FilledRemedy | undefined;
}

/** A connection that works, or why there is none. */
export type Attempt<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'failed'; readonly reason: string; readonly remedy: NamedRemedy };

/** A connection for queries, to a server whose release we know. */
export interface QueryAccess {
  readonly connection: Connection;
  readonly version: ServerVersion;
}

/** The facts from a replication connection. */
export interface StreamAccess extends StreamIdentity {
  readonly version: ServerVersion;
  /** Where the timeline comes from. */
  readonly history: readonly TimelineSwitch[];
  /** How its server differs from that of a connection for queries; undefined when it is the same one. */
  readonly differenceFrom: (connection: Connection) => Promise<Difference | undefined>;
}

/** The output of the server's host for a command that prints nothing. */
export interface HostAnswer {
  /** Both streams; a shell that is fit for rsync is silent. */
  readonly output: string;
}

/** The facts that the checks of one server share, read once. Connections are tried only for active servers that are not passive. */
export interface CheckFacts {
  readonly server: Server;
  readonly backups: readonly Backup[];
  readonly broken: readonly BrokenRecord[];
  /** Why no record could be looked at. */
  readonly recordsFailure: OperatorError | undefined;
  readonly wal: WalReading;
  /** Undefined when the server is inactive or passive. */
  readonly connection: Attempt<QueryAccess> | undefined;
  /** Undefined when none is configured, or the server is inactive or passive. */
  readonly streaming: Attempt<StreamAccess> | undefined;
  /** As above, for the server that WAL comes from; undefined when that is the same one. */
  readonly walConnection: Attempt<QueryAccess> | undefined;
  readonly walStreaming: Attempt<StreamAccess> | undefined;
  /** The primary of a standby; undefined when `primary_conninfo` is unset. */
  readonly primary: Attempt<QueryAccess> | undefined;
  /** The host that `ssh_command` reaches, asked once; undefined when backups need no ssh. */
  readonly host: () => Promise<Attempt<HostAnswer> | undefined>;
  /** A client program that fits the server, else any that runs. */
  readonly clientProgram: (name: ClientProgramName) => Promise<ClientProgram | undefined>;
}

/** The trouble of a server's cluster whose primary is followed. */
export interface ClusterTrouble {
  /** Why no primary is followed, or which node has to be stopped. */
  readonly reason: string | undefined;
  readonly remedy: string;
  /** WAL that was lost in switches which nobody has acknowledged. */
  readonly losses: readonly string[];
}

/** The tools that a check may use beside the facts. */
export interface CheckTools {
  /** Its signal also aborts when the time is up. */
  readonly context: Context;
  /** The host that `ssh_command` reaches, when the caller has it already and goes on using it. */
  readonly host?: Host | undefined;
  /** 0 is no limit. */
  readonly timeoutSeconds: number;
  /** Archives what waits on the server's channels, quietly; false when another run holds the lock. */
  readonly archivePending: () => Promise<boolean>;
  /** Looks at the cluster of the server; missing where none is followed. */
  readonly readCluster?: (() => Promise<ClusterTrouble>) | undefined;
}

/** How a check came out; a failure names what mends it. */
export type Verdict = Pick<CheckResult, 'hint' | 'asBarman'> & { readonly perfdata?: number | undefined } & (
    | { readonly isOk: true }
    | { readonly isOk: false; readonly remedy: NamedRemedy }
  );

/** One entry of the list: one line of the report, or none when it has nothing to say. */
export interface Check {
  readonly name: string;
  /** Name of the line when it fails, where that is another one. */
  readonly failureName?: string;
  /** Where it applies: on every server, or on those only that PostgreSQL is asked about. */
  readonly appliesTo: 'every' | 'active';
  /** Its failure keeps a backup from starting. */
  readonly isCritical: boolean;
  /** Heading that it stands under in docs/checks.md. */
  readonly about: string;
  /** The meaning of a failure. */
  readonly meaning: string;
  /** Every remedy that its failures name. */
  readonly remedies: readonly RemedyKey[];
  /** Its line is there only when it fails. */
  readonly isShownOnlyWhenFailed?: true;
  run(facts: CheckFacts, tools: CheckTools): Verdict | undefined | Promise<Verdict | undefined>;
}
