import type { Backup, BackupId } from './backup.ts';
import { byAge } from './by-age.ts';

/** Ids of the backups that are built directly on each other one, oldest first, by what their own records say. */
export function childrenByParent(backups: readonly Backup[]): ReadonlyMap<BackupId, readonly BackupId[]> {
  const children = new Map<BackupId, BackupId[]>();
  for (const { id, parentBackupId } of byAge(backups)) {
    if (parentBackupId === null) continue;
    children.set(parentBackupId, [...(children.get(parentBackupId) ?? []), id]);
  }
  return children;
}

/** The backups that one is built on, its parent first; ends where a record is missing. */
export function ancestorsOf(backups: readonly Backup[], backup: Backup): readonly Backup[] {
  const ancestors: Backup[] = [];
  for (let wanted = backup.parentBackupId; wanted !== null; ) {
    const ancestor = backups.find(({ id }) => id === wanted);
    if (ancestor === undefined || ancestors.includes(ancestor)) break;
    ancestors.push(ancestor);
    wanted = ancestor.parentBackupId;
  }
  return ancestors;
}
