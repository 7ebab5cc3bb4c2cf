import { formatLongTime } from '../../shared/timestamp.ts';
import type { RecoveryTarget } from '../target/recovery-target.ts';

/** Why the backup is taken that was wanted by these words. */
export function backupReason(wanted: string, target: RecoveryTarget): string {
  switch (wanted) {
    case 'auto':
      if (target.kind === 'time') return `the newest one from which ${formatLongTime(target.time)} can be reached`;
      return target.kind === 'lsn' ? 'the newest one from which the LSN can be reached' : 'the newest one that can be restored';
    case 'latest':
    case 'last':
      return 'the newest one';
    case 'oldest':
    case 'first':
      return 'the oldest one';
    default:
      return `it was asked for as '${wanted}'`;
  }
}
