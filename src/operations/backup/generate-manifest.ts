import { writeManifest } from '../../backup/write-manifest.ts';
import { type Backup, isCopyDone } from '../../catalog/backups/backup.ts';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import { backupLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import { tryLockFile } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';

/**
 * Writes a manifest for a backup that has none (docs/reference/cli.md section 8.4).
 * @throws OperatorError `backup-refused` for one that has, or whose files are not complete or not plain; `lock-busy`
 */
export async function generateManifest(server: Server, backup: Backup): Promise<void> {
  await using lock = await tryLockFile(backupLockPath(server.layout, backup.id));
  if (lock === undefined)
    throw new OperatorError('lock-busy', `another process works on backup ${backup.id} of server ${server.config.name}`);
  if (!isCopyDone(backup)) {
    throw new OperatorError(
      'backup-refused',
      `backup ${backup.id} has status ${backup.status}: a manifest of its files would say that they are complete`,
      { hint: `show-backup ${server.config.name} ${backup.id} gives the reason` },
    );
  }
  if (backup.compression !== null || backup.encryption !== null) {
    throw new OperatorError('backup-refused', `backup ${backup.id} has no plain files for a manifest`, {
      hint: 'pg_basebackup has already written the manifest of its tar files',
    });
  }
  await writeManifest(backupFilesOf(server.layout, backup.id).dataFolder);
}
