import type { Backup, BackupId } from '../catalog/backup.ts';
import { readBackupRecord, readBackupRecords, writeBackupRecord } from '../catalog/backup-records.ts';
import { childrenByParent } from '../catalog/families.ts';
import { backupLockPath } from '../catalog/server-layout.ts';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { tryLockFile } from '../shared/file-lock.ts';
import { OperatorError } from '../shared/operator-error.ts';

const tryEveryMs = 50;
const longestMs = 10_000;

/**
 * Writes into a parent's record which backups are built on it, by what their own records say (catalog.md section 17, rule 9): after a
 * backup, after a deletion, and after a crash between the two records.
 * @throws OperatorError `lock-busy` when another command keeps the parent for long
 */
export async function settleChildren(server: Server, parentId: BackupId, { clock }: Pick<Context, 'clock'>): Promise<void> {
  const deadlineMs = clock.elapsedMs() + longestMs;
  for (;;) {
    await using lock = await tryLockFile(backupLockPath(server.layout, parentId)); // which others hold for a moment
    if (lock !== undefined) {
      await writeChildren(server, parentId);
      return;
    }
    if (clock.elapsedMs() > deadlineMs) {
      throw new OperatorError('lock-busy', `another process works on backup ${parentId} of server ${server.config.name}`);
    }
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

async function writeChildren(server: Server, parentId: BackupId): Promise<void> {
  const parent = await readBackupRecord(server.layout, parentId);
  if (parent === undefined) return;
  const children = childrenByParent((await readBackupRecords(server.layout)).backups).get(parentId) ?? [];
  if (isSame(parent.childrenBackupIds, children)) return;
  await writeBackupRecord(server.layout, { ...parent, childrenBackupIds: children.length === 0 ? null : children });
}

function isSame(recorded: readonly BackupId[] | null, children: readonly BackupId[]): boolean {
  return (recorded ?? []).join() === children.join();
}
