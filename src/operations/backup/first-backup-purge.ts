import type { Backup } from '../../catalog/backups/backup.ts';
import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import { planFirstBackupPurge } from '../../catalog/backups/plan-deletion.ts';
import { removeWals, walsToRemove } from '../../catalog/index/wal-removals.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { walDeletionHooks } from '../deletion/wal-deletion-hooks.ts';

/** Removes WAL that lies before the first backup of a server: nothing can use it (docs/reference/catalog.md section 16.5). */
export async function purgeBeforeFirstBackup(server: Server, backup: Backup, context: Context): Promise<void> {
  if (server.config.options.worm_mode) return;
  const { backups, broken } = await readBackupRecords(server.layout);
  if (broken.length > 0) {
    context.log.warning(`no WAL before backup ${backup.id} is removed: ${broken[0]?.reason.message ?? ''}`);
    return;
  }
  const plan = planFirstBackupPurge(backups, backup);
  if (plan.kind === 'none' || (await walsToRemove(server.layout, plan)).length === 0) return;
  context.messages.info(`This is the first backup for server ${server.config.name}`);
  context.messages.info('WAL segments preceding the current backup have been found:');
  const removed = await removeWals(server.layout, [plan], walDeletionHooks(server, context));
  for (const { name } of removed) context.messages.info(`\t${name} from server ${server.config.name} has been removed`);
}
