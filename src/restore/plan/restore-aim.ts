import type { Backup } from '../../catalog/backups/backup.ts';
import type { Server } from '../../config/server.ts';
import type { SourceReader } from '../content/read-source-content.ts';
import type { Refusals } from '../guards/refusals.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { RecoveryTarget } from '../target/recovery-target.ts';
import type { RestoreRequest } from './restore-options.ts';

/** The request of a restore, and the means to examine it. */
export interface RestorePlanning {
  readonly server: Server;
  readonly request: RestoreRequest;
  readonly restoreHost: RestoreHost;
  /** `local`, or the host. */
  readonly hostName: string;
  /** This host, where the catalog is. */
  readonly here: RestoreHost;
  /** Full name of this host. */
  readonly backupHost: string;
  readonly reader: SourceReader;
  /** WAL that waits counts as archived: a restore archives it before it begins. */
  readonly countsWaiting: boolean;
}

/** The same with the backups that there are, and the target in terms of PostgreSQL. */
export interface RestoreAim extends RestorePlanning {
  readonly backups: readonly Backup[];
  readonly target: RecoveryTarget;
  readonly isPitr: boolean;
}

/** The messages that planning collects for the operator. */
export interface Told {
  readonly refusals: Refusals;
  readonly warnings: string[];
}
