import type { BackupId } from '../../catalog/backups/backup.ts';
import { backupLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import { tryLockFile } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';

/**
 * Works while nobody else can delete these backups, or change their records.
 * @throws OperatorError `lock-busy` before the work when another command has one of them
 */
export async function withBackupLocks<T>(server: Server, ids: readonly BackupId[], work: () => Promise<T>): Promise<T> {
  const [id, ...others] = ids;
  if (id === undefined) return await work();
  await using lock = await tryLockFile(backupLockPath(server.layout, id));
  if (lock === undefined) {
    throw new OperatorError('lock-busy', `another process works on backup ${id} of server ${server.config.name}`, {
      hint: 'try again when it has ended; list-processes shows what runs',
    });
  }
  return await withBackupLocks(server, others, work);
}
