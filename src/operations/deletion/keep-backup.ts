import { type KeepTarget, markKept, readAnnotations, releaseKept } from '../../catalog/backups/annotations.ts';
import { type Backup, backupTypeOf } from '../../catalog/backups/backup.ts';
import { backupLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import { tryLockFile } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';

/** How a backup is kept; undefined when it is not. */
export async function readKeep(server: Server, backup: Backup): Promise<KeepTarget | undefined> {
  return (await readAnnotations(server.layout, [backup.id])).keeps.get(backup.id);
}

/**
 * Keeps a backup, or with no target lets it go again (docs/reference/cli.md section 8.3).
 * @throws OperatorError `backup-refused` for a backup that is not DONE or that is built on another; `lock-busy`
 */
export async function keepBackup(server: Server, backup: Backup, target: KeepTarget | undefined): Promise<void> {
  await using lock = await tryLockFile(backupLockPath(server.layout, backup.id));
  if (lock === undefined) {
    throw new OperatorError('lock-busy', `another process works on backup ${backup.id} of server ${server.config.name}`);
  }
  if (target === undefined) {
    await releaseKept(server.layout, backup.id);
    return;
  }
  const { id, status } = backup;
  if (backupTypeOf(backup) === 'incremental') {
    throw new OperatorError(
      'backup-refused',
      [
        `Unable to execute the keep command on backup ${id}: is an incremental backup.`,
        'Only full backups are eligible for the use of the keep command.',
      ],
      { hint: 'keep the full backup that it is built on: incremental ones stay as long as it does' },
    );
  }
  if (status !== 'DONE') {
    throw new OperatorError(
      'backup-refused',
      `Cannot add keep to backup ${id} because it has status ${status}. Only backups with status DONE can be kept.`,
    );
  }
  await markKept(server.layout, backup.id, target);
}
