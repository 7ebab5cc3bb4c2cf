import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { ServerLayout } from '../server-layout.ts';
import type { Backup } from './backup.ts';
import { backupFolder } from './backup-layout.ts';

/** Whether a backup's record is there and its files are not (docs/reference/catalog.md section 5.6, "orphan"). */
export async function isOrphan(layout: ServerLayout, backup: Backup): Promise<boolean> {
  if (backup.status === 'EMPTY') return false;
  const folder = backupFolder(layout, backup.id);
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return true;
  if (found.isDirectory() && found.nlink > 2) return false; // most file systems count a folder's folders there: it need not be opened
  const names = await readdir(folder);
  return names.every((name) => name === 'backup.info');
}
