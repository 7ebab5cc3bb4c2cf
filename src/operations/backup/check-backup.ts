import { findRejectedWal, judgeWals, readWalFacts } from '../../backup/judge-wals.ts';
import type { Backup, BackupId } from '../../catalog/backups/backup.ts';
import { readBackupRecord, writeBackupRecord } from '../../catalog/backups/backup-records.ts';
import { backupLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import { storageOf } from '../../encryption/stored-wal.ts';
import type { Context } from '../../shared/context.ts';
import { tryLockFile } from '../../shared/file-lock.ts';
import { OperatorError } from '../../shared/operator-error.ts';

/**
 * Looks whether a backup has all its WAL, and writes what it found: DONE, FAILED, or still WAITING_FOR_WALS (docs/reference/engine.md section 9.4).
 * @returns the record as it is now; undefined when another command works on it, which is told
 * @throws OperatorError `backup-not-usable` for a failed backup, or when WAL is lost
 */
export async function checkBackup(server: Server, id: BackupId, context: Context): Promise<Backup | undefined> {
  await using lock = await tryLockFile(backupLockPath(server.layout, id));
  if (lock === undefined) {
    context.messages.info(`Another process is working on backup ${id} of server ${server.config.name}`);
    return undefined;
  }
  const backup = await readBackupRecord(server.layout, id);
  if (backup === undefined) return undefined;
  if (backup.status === 'FAILED') {
    throw new OperatorError('backup-not-usable', 'The validity of a failed backup cannot be checked', {
      hint: `backup ${id} of server ${server.config.name} has failed: ${backup.error ?? 'no reason was recorded'}`,
    });
  }
  if (backup.status !== 'WAITING_FOR_WALS' && backup.status !== 'DONE') return backup;
  if (backup.status === 'WAITING_FOR_WALS') {
    const rejected = await findRejectedWal(server.layout, backup, storageOf(server));
    if (rejected !== undefined) return await fail(server, backup, rejected);
  }
  const verdict = await judgeWals(backup, await readWalFacts(server.layout, backup));
  switch (verdict.kind) {
    case 'complete':
      return await settle(server, backup, { status: 'DONE', error: null });
    case 'waiting':
      return backup.status === 'DONE'
        ? backup
        : await settle(server, backup, { status: 'WAITING_FOR_WALS', error: backup.error });
    case 'lost':
      return await fail(server, backup, `At least one WAL file is missing. The first missing WAL file is ${verdict.missing}`);
    case 'two-timelines':
      return await fail(
        server,
        backup,
        `The backup begins on timeline ${String(verdict.begin)} and ends on timeline ${String(verdict.end)}`,
      );
  }
}

async function settle(server: Server, backup: Backup, change: Pick<Backup, 'status' | 'error'>): Promise<Backup> {
  const changed = { ...backup, ...change };
  if (changed.status !== backup.status) await writeBackupRecord(server.layout, changed);
  return changed;
}

async function fail(server: Server, backup: Backup, error: string): Promise<never> {
  await settle(server, backup, { status: 'FAILED', error });
  throw new OperatorError(
    'backup-not-usable',
    `backup ${backup.id} of server ${server.config.name} cannot be restored: ${error}`,
  );
}
