import type { Backup } from '../../catalog/backups/backup.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { RestoreRequest } from '../plan/restore-options.ts';
import type { RecoveryTarget } from '../target/recovery-target.ts';
import type { Refuse } from './refusals.ts';

/** Refuses options that the version of the backup does not support. */
export function refuseOldVersion(
  { id, version }: Pick<Backup, 'id' | 'version'>,
  { request, target }: { readonly request: Pick<RestoreRequest, 'action'>; readonly target: RecoveryTarget },
  refuse: Refuse,
): void {
  if (version === null) {
    refuse(new OperatorError('backup-not-usable', `the record of backup ${id} does not say its PostgreSQL version`));
    return;
  }
  // PostgreSQL learned `recovery_target_lsn` in 10, and `recovery_target_action` in 9.5
  if (target.kind === 'lsn' && version < 100_000) {
    refuse(new OperatorError('target-invalid', '--target-lsn needs PostgreSQL 10'));
  }
  if (request.action !== undefined && version < 90_500) {
    refuse(new OperatorError('target-invalid', '--target-action needs PostgreSQL 9.5'));
  }
}
