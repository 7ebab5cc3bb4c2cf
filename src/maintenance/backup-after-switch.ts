import type { Backup } from '../catalog/backups/backup.ts';
import type { SwitchRecord } from '../cluster/switch-records.ts';
import { formatCompactTime, localTimestamp } from '../shared/timestamp.ts';

/** Between two attempts. */
const againAfterMs = 600_000;

/** Whether a backup is to be taken because the primary has changed: none that was begun since is usable, and the last attempt is a while ago. */
export function wantsBackup(
  { at }: Pick<SwitchRecord, 'at'>,
  backups: readonly Pick<Backup, 'id' | 'status'>[],
  now: Date,
): boolean {
  const idAt = (date: Date): string => formatCompactTime(localTimestamp(date));
  const since = backups.filter(({ id }) => id >= idAt(at));
  if (since.some(({ status }) => status !== 'FAILED')) return false;
  const recently = idAt(new Date(now.getTime() - againAfterMs));
  return since.every(({ id }) => id < recently);
}
