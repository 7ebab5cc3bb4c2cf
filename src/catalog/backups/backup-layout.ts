import { join } from 'node:path';
import type { ServerLayout } from '../server-layout.ts';
import type { BackupId } from './backup.ts';

/** Folder with the files of one backup: for what the catalog looks at without waiting, thousands of times. */
export function backupFolder({ base }: Pick<ServerLayout, 'base'>, id: BackupId): string {
  return join(base, id);
}

/** Where older releases kept the record, and where repmgr copies it from (docs/reference/repmgr-contract.md). */
export function legacyBackupInfoPath(layout: Pick<ServerLayout, 'base'>, id: BackupId): string {
  return join(backupFolder(layout, id), 'backup.info');
}
