import type { Backup } from '../catalog/backups/backup.ts';
import { PythonFloat } from '../shared/python-literal.ts';

/** Its files are complete (docs/reference/catalog.md section 3, COPY_DONE). */
export function isComplete({ status }: Backup): boolean {
  return status === 'DONE' || status === 'WAITING_FOR_WALS';
}

/** A number of the copy statistics (docs/reference/catalog.md section 5.4); 0 when it was not recorded. */
export function copyStatistic({ copyStats }: Backup, key: string): number {
  const value = copyStats?.get(key);
  if (value instanceof PythonFloat) return value.value;
  return typeof value === 'number' ? value : 0;
}

/** The bytes that copying saved (docs/reference/cli.md section 6.3, "Resources saved"); undefined where nothing can be saved. */
export function resourcesSaved({
  backup,
  type,
}: {
  readonly backup: Backup;
  readonly type: string;
}): SavedResources | undefined {
  if (type !== 'rsync' && type !== 'incremental') return undefined;
  const whole = (type === 'rsync' ? backup.size : backup.clusterSize) ?? 0;
  const ratio = whole === 0 ? 0 : 1 - (backup.deduplicatedSize ?? 0) / whole;
  return { ratio, bytes: (positive(backup.clusterSize) ?? backup.size ?? 0) * ratio };
}

interface SavedResources {
  readonly ratio: number;
  readonly bytes: number;
}

/** Undefined for 0 and for nothing. */
export function positive(value: number | null): number | undefined {
  return value === null || value <= 0 ? undefined : value;
}
