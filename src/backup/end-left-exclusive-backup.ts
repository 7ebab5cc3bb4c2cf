import { join } from 'node:path';
import { stopBackup } from '../postgres/low-level-backup.ts';
import { readIsInExclusiveBackup } from '../postgres/server-queries.ts';
import type { BackupJob } from './backup-job.ts';

/**
 * Ends an exclusive backup that a killed run of ours left on the server: it survives its session, keeps the next one from beginning, and
 * after a crash would keep the server from coming up. The caller holds the backup lock, so none of ours is still running. One that
 * somebody else began is left alone: the server then says that it is in progress.
 */
export async function endLeftExclusiveBackup({ connection, context, facts, host, server }: BackupJob): Promise<void> {
  if (host === undefined || !(await readIsInExclusiveBackup(connection))) return;
  const label = await host.readFile(join(facts.pgdata ?? '', 'backup_label'));
  const [, name, id = ''] = /^LABEL: Barman backup (\S+) (\d{8}T\d{6})$/m.exec(label?.content.toString() ?? '') ?? [];
  if (name !== server.config.name) return;
  context.messages.warning(`the exclusive backup ${id} was killed and is still in progress on the server: it is ended now`);
  await stopBackup(connection, { version: facts.version, isExclusive: true, waits: false });
}
