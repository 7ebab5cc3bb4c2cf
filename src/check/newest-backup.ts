import { type Backup, isCopyDone } from '../catalog/backups/backup.ts';

/** The newest backup whose files are complete: what ages and sizes are about. */
export function newestBackup(backups: readonly Backup[]): Backup | undefined {
  return backups.findLast(isCopyDone);
}
