import type { Annotations } from '../../catalog/backups/annotations.ts';
import type { BackupId } from '../../catalog/backups/backup.ts';
import type { Server } from '../../config/server.ts';
import type { Messages } from '../../shared/messages.ts';
import { OperatorError } from '../../shared/operator-error.ts';

/** A backup that somebody keeps is not deleted. @throws OperatorError `backup-refused` */
export function refuseKept(server: Server, id: BackupId, keeps: Annotations['keeps'], messages: Messages): void {
  const { name } = server.config;
  const keep = keeps.get(id);
  if (keep === undefined) return;
  messages.warning(
    `Skipping delete of backup ${id} for server ${name} as it has a current keep request. If you really want to delete this backup please remove the keep and try again.`,
    { logged: false, isOnlyBarmans: true },
  );
  throw new OperatorError(
    'backup-refused',
    `Skipping delete of backup ${id} for server ${name} as it has a current keep request (${keep})`,
    {
      hint: `release it first: keep --release ${name} ${id}`,
    },
  );
}
