import { type Backup, type BackupId, childrenByParent } from '../../catalog/backups/backup.ts';
import { readBackupRecord, readBackupRecords, writeBackupRecord } from '../../catalog/backups/backup-records.ts';
import { backupLockPath } from '../../catalog/server-layout.ts';
import type { Server } from '../../config/server.ts';
import type { Context } from '../../shared/context.ts';
import { tryLockFile } from '../../shared/file-lock.ts';

const tryEveryMs = 50;
const longestMs = 1000;

/**
 * Writes into a parent's record which backups are built on it, by what their own records say (docs/reference/catalog.md section 17, rule 9): after a
 * deletion, and after a crash between two records. `check-backup` and `keep` hold the lock for a moment; a backup that is being built on the
 * parent holds it long, and writes the list itself at its end. Otherwise the next `cron` finds what was left.
 */
export async function settleChildren(server: Server, parentId: BackupId, { clock }: Pick<Context, 'clock'>): Promise<void> {
  const deadlineMs = clock.elapsedMs() + longestMs;
  for (;;) {
    await using lock = await tryLockFile(backupLockPath(server.layout, parentId));
    if (lock !== undefined) {
      await writeChildren(server, parentId);
      return;
    }
    if (clock.elapsedMs() > deadlineMs) return;
    await clock.sleep(tryEveryMs);
  }
}

/** As {@link settleChildren}, for every record that does not name its children as they name it. */
export async function settleFamilies(
  server: Server,
  backups: readonly Backup[],
  context: Pick<Context, 'clock'>,
): Promise<void> {
  const children = childrenByParent(backups);
  for (const { id, childrenBackupIds } of backups) {
    if (!isSame(childrenBackupIds, children.get(id) ?? [])) await settleChildren(server, id, context);
  }
}

/** As {@link settleChildren}, for who has the parent's lock. */
export async function writeChildren(server: Server, parentId: BackupId): Promise<void> {
  const parent = await readBackupRecord(server.layout, parentId);
  if (parent === undefined) return;
  const children = childrenByParent((await readBackupRecords(server.layout)).backups).get(parentId) ?? [];
  if (isSame(parent.childrenBackupIds, children)) return;
  await writeBackupRecord(server.layout, { ...parent, childrenBackupIds: children.length === 0 ? null : children });
}

function isSame(recorded: readonly BackupId[] | null, children: readonly BackupId[]): boolean {
  return (recorded ?? []).join() === children.join();
}
