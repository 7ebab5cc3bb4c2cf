import { removeClearArchives } from '../../backup/encrypt-archives.ts';
import type { Backup } from '../../catalog/backups/backup.ts';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import { type BackupRecords, readBackupRecords, writeBackupRecord } from '../../catalog/backups/backup-records.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { recoverImports } from '../exchange/apply-import.ts';
import { settleFamilies } from '../server/settle-children.ts';
import { endKilledExclusiveBackup } from './end-killed-exclusive-backup.ts';

type ReapContext = Pick<Context, 'clock' | 'log' | 'messages' | 'signal'>;

/**
 * Turns backups that were killed half-way (EMPTY or STARTED although nobody holds the backup lock) into failed ones, so that they are
 * seen and can be deleted, and lets parents know their children; imports that were killed are undone. The caller holds the backup lock,
 * which the dead one held. A server that one of them left in an exclusive backup is taken out of it.
 * @returns the records as they then are, without a second look at what a parent knows of its children
 */
export async function reapDeadBackups(server: Server, context: ReapContext): Promise<BackupRecords> {
  const { log, clock } = context;
  await recoverImports(server, { log });
  const { backups, broken } = await readBackupRecords(server.layout);
  const now = new Map(backups.map((backup) => [backup.id, backup]));
  const dead = backups.filter(({ status }) => status === 'EMPTY' || status === 'STARTED');
  for (const backup of dead) {
    log.warning(
      `backup ${backup.id} of server ${server.config.name} was killed while it was ${backup.status}: it is marked FAILED`,
    );
    if (server.config.options.encryption !== undefined)
      await removeClearArchives(backupFilesOf(server.layout, backup.id).dataFolder); // first: a failed one is not looked at again
    const failed: Backup = { ...backup, status: 'FAILED', error: 'failure copying files (the backup was killed)' };
    await writeBackupRecord(server.layout, failed);
    now.set(backup.id, failed);
  }
  await endKilledExclusiveBackup(server, dead, context);
  await settleFamilies(server, backups, { clock });
  return { backups: [...now.values()], broken };
}
