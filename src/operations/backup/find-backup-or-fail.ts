import type { Backup } from '../../catalog/backups/backup.ts';
import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import { findBackup } from '../../catalog/backups/find-backup.ts';
import type { Server } from '../../config/server.ts';
import { OperatorError } from '../../shared/operator-error.ts';

export interface ChosenBackup {
  readonly backup: Backup;
  /** Every backup of the server that can be read, oldest first. */
  readonly backups: readonly Backup[];
}

/**
 * The backup that an id, a shortcut or a name means.
 * @throws OperatorError `unknown-backup`, or `backup-info-invalid` when it is the one whose record is broken
 */
export async function findBackupOrFail(server: Server, wanted: string): Promise<ChosenBackup> {
  const { backups, broken } = await readBackupRecords(server.layout);
  const damaged = broken.find(({ id }) => id === wanted);
  if (damaged !== undefined) throw damaged.reason;
  const found = findBackup(backups, wanted);
  switch (found.kind) {
    case 'found':
      return { backup: found.backup, backups };
    case 'ambiguous': {
      const ids = found.backups.map(({ id }) => id).join(', ');
      throw new OperatorError(
        'unknown-backup',
        `Multiple backups found matching name '${wanted}' for server '${server.config.name}' (try using backup ID instead): ${ids}`,
      );
    }
    case 'unknown':
      throw new OperatorError('unknown-backup', `Unknown backup '${wanted}' for server '${server.config.name}'`, {
        hint:
          broken.length === 0
            ? `list-backups ${server.config.name} shows what there is`
            : `the record of ${broken.map(({ id }) => id).join(', ')} cannot be read`,
      });
  }
}
