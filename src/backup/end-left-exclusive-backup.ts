import { join } from 'node:path';
import type { Connection } from '../postgres/connect.ts';
import { stopBackup } from '../postgres/low-level-backup.ts';
import { readIsInExclusiveBackup } from '../postgres/server-queries.ts';
import type { Context } from '../shared/context.ts';
import type { Host } from '../transport/hosts/host.ts';

interface LeftBackup {
  readonly serverName: string;
  /** To the server, of version 14 or older. */
  readonly connection: Connection;
  /** Of the server, as it counts. */
  readonly version: number;
  readonly pgdata: string;
  /** That has the data folder. */
  readonly host: Host;
}

/**
 * Ends an exclusive backup that a killed run of ours left on the server: it survives its session, keeps the next one from beginning, and
 * after a crash would keep the server from coming up. The caller holds the backup lock, so none of ours is still running. One that
 * somebody else began is left alone: the server then says that it is in progress.
 */
export async function endLeftExclusiveBackup(left: LeftBackup, { messages }: Pick<Context, 'messages'>): Promise<void> {
  const { serverName, connection, version, pgdata, host } = left;
  if (!(await readIsInExclusiveBackup(connection))) return;
  const label = await host.readFile(join(pgdata, 'backup_label'));
  const [, name, id = ''] = /^LABEL: Barman backup (\S+) (\d{8}T\d{6})$/m.exec(label?.content.toString() ?? '') ?? [];
  if (name !== serverName) return;
  messages.warning(`the exclusive backup ${id} was killed and is still in progress on the server: it is ended now`);
  await stopBackup(connection, { version, isExclusive: true, waits: false });
}
