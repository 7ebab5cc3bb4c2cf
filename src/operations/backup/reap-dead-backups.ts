import { methodNamed } from '../../backup/all-methods.ts';
import { removeClearArchives } from '../../backup/encrypt-archives.ts';
import { endLeftExclusiveBackup } from '../../backup/end-left-exclusive-backup.ts';
import type { Backup } from '../../catalog/backups/backup.ts';
import { backupFilesOf } from '../../catalog/backups/backup-files.ts';
import { type BackupRecords, readBackupRecords, writeBackupRecord } from '../../catalog/backups/backup-records.ts';
import { nodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { readServerVersion, readSetting } from '../../postgres/server-queries.ts';
import type { Context } from '../../shared/context.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { recoverImports } from '../exchange/apply-import.ts';
import { settleFamilies } from '../server/settle-children.ts';

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

/**
 * Takes the server out of the exclusive backup that one of these killed backups left it in, if its record says that it was to begin one. When
 * that is not possible now it is told; the next exclusive backup ends it in any case.
 */
async function endKilledExclusiveBackup(
  server: Server,
  killed: readonly Backup[],
  context: Pick<Context, 'messages' | 'signal'>,
): Promise<void> {
  if (!killed.some(({ mode }) => mode === 'rsync-exclusive')) return;
  try {
    await endOn(server, context);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    context.messages.warning(
      `server '${server.config.name}' may still be in an exclusive backup that was killed: ${messageOf(error)}; the next exclusive backup ends it, as SELECT pg_stop_backup() does`,
    );
  }
}

async function endOn(server: Server, context: Pick<Context, 'messages' | 'signal'>): Promise<void> {
  const { name: serverName, options } = server.config;
  await using host = methodNamed(options.backup_method)?.host(server);
  if (host === undefined)
    throw new OperatorError(
      'configuration-invalid',
      `backup_method = ${options.backup_method} does not say how its files are reached`,
    );
  await using connection = await nodesOf(server).queries(context.signal);
  const { number: version } = await readServerVersion(connection);
  const pgdata = await readSetting(connection, 'data_directory');
  if (version >= 150_000 || pgdata === undefined) return;
  await endLeftExclusiveBackup({ serverName, connection, version, pgdata, host }, context);
}
