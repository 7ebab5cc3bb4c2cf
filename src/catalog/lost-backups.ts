import { readdir } from 'node:fs/promises';
import { systemCodeOf } from '../shared/operator-error.ts';
import type { Backup } from './backup.ts';
import { backupFolder, type ServerLayout } from './server-layout.ts';

/** Whether a backup's record is there and its files are not (catalog.md section 5.6, "orphan"). */
export async function isOrphan(layout: ServerLayout, backup: Backup): Promise<boolean> {
  if (backup.status === 'EMPTY') return false;
  try {
    const names = await readdir(backupFolder(layout, backup.id));
    return names.every((name) => name === 'backup.info');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return true;
    throw error;
  }
}
