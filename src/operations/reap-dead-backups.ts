import { join } from 'node:path';
import { removeClearArchives } from '../backup/encrypt-archives.ts';
import type { Backup } from '../catalog/backup.ts';
import { type BackupRecords, readBackupRecords, writeBackupRecord } from '../catalog/backup-records.ts';
import { backupFolder } from '../catalog/server-layout.ts';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { recoverImports } from './exchange/apply-import.ts';
import { settleFamilies } from './settle-children.ts';

/**
 * Turns backups that were killed half-way (EMPTY or STARTED although nobody holds the backup lock) into failed ones, so that they are
 * seen and can be deleted, and lets parents know their children; imports that were killed are undone. The caller holds the backup lock,
 * which the dead one held.
 * @returns the records as they then are, without a second look at what a parent knows of its children
 */
export async function reapDeadBackups(server: Server, { log, clock }: Pick<Context, 'log' | 'clock'>): Promise<BackupRecords> {
  await recoverImports(server, { log });
  const { backups, broken } = await readBackupRecords(server.layout);
  const now = new Map(backups.map((backup) => [backup.id, backup]));
  for (const backup of backups.filter(({ status }) => status === 'EMPTY' || status === 'STARTED')) {
    log.warning(
      `backup ${backup.id} of server ${server.config.name} was killed while it was ${backup.status}: it is marked FAILED`,
    );
    if (server.config.options.encryption !== undefined)
      await removeClearArchives(join(backupFolder(server.layout, backup.id), 'data')); // first: a failed one is not looked at again
    const failed: Backup = { ...backup, status: 'FAILED', error: 'failure copying files (the backup was killed)' };
    await writeBackupRecord(server.layout, failed);
    now.set(backup.id, failed);
  }
  await settleFamilies(server, backups, { clock });
  return { backups: [...now.values()], broken };
}
