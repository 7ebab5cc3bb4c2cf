import type { Backup } from '../../catalog/backups/backup.ts';
import type { ServerLayout } from '../../catalog/server-layout.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { DestinationPlan } from '../plan/plan-destination.ts';

/** The facts that are judged before a restore writes anything. */
export interface Judging {
  readonly plan: DestinationPlan;
  readonly restoreHost: RestoreHost;
  /** Of the server; its folders are on this host. */
  readonly layout: ServerLayout;
  readonly backup: Pick<Backup, 'version' | 'systemid' | 'pgdata'>;
  /** Files that are there are brought to the state of the backup. */
  readonly isDelta: boolean;
}

/** A folder that a restore writes to, and what it is called in messages. */
export interface Folder {
  readonly path: string;
  readonly what: string;
}

/** One that is there. */
export interface FullFolder extends Folder {
  readonly names: readonly string[];
}
