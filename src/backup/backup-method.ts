import type { BackupMethodName } from '../config/backup-methods.ts';
import type { Server } from '../config/server.ts';
import type { ServerConfig } from '../config/server-config.ts';
import type { Host } from '../transport/hosts/host.ts';
import type { BackupJob } from './backup-job.ts';

/** One value of `backup_method`: how the files of a cluster come into `base/ID`. */
export interface BackupMethod {
  readonly name: BackupMethodName;
  /** `mode` of the record (docs/reference/catalog.md section 5.3). */
  mode(server: ServerConfig): string;
  /** The host whose files it reads, reached when it is first asked something; undefined when PostgreSQL itself sends them. */
  host(server: Server): Host | undefined;
  /**
   * From the server's begin of the backup to its end: saves the record as STARTED when the begin is known, fills `data` and one folder
   * per tablespace oid, and changes the record to say where the backup begins and ends. What it
   * wrote into files is durable when it ends (the folders are synced afterwards). On failure the server is left out of backup mode.
   */
  copy(job: BackupJob): Promise<void>;
}
