import { type Backup, backupTypeOf, byAge, isCopyDone, parseBackupId } from './backup.ts';

/** Words that stand for a backup and therefore cannot be its name (docs/reference/cli.md section 3). */
export const reservedBackupWords = [
  'latest',
  'last',
  'oldest',
  'first',
  'last-failed',
  'latest-full',
  'last-full',
  'auto',
] as const;

export type FoundBackup =
  | { readonly kind: 'found'; readonly backup: Backup }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'ambiguous'; readonly backups: readonly Backup[] };

/**
 * The backup that an id, a shortcut or a name means (docs/reference/cli.md section 3). `last-failed` is taken as the whole word only: Barman also
 * takes every piece of it, which hides backups with such a name.
 * @param backups oldest first
 */
export function findBackup(backups: readonly Backup[], wanted: string): FoundBackup {
  if (parseBackupId(wanted) !== undefined) return single(backups.find(({ id }) => id === wanted));
  const usable = backups.filter(isCopyDone);
  switch (wanted) {
    case 'latest':
    case 'last':
      return single(usable.at(-1));
    case 'oldest':
    case 'first':
      return single(usable[0]);
    case 'latest-full':
    case 'last-full':
      return single(usable.findLast((backup) => ['full', 'rsync'].includes(backupTypeOf(backup))));
    case 'last-failed':
      return single(backups.findLast(({ status }) => status === 'FAILED'));
    default: {
      const named = usable.filter(({ backupName }) => backupName !== null && backupName === wanted);
      return named.length > 1 ? { kind: 'ambiguous', backups: named } : single(named[0]);
    }
  }
}

/** Copy-done neighbours of a backup, which may be one of the backups or not. @param backups oldest first */
export function neighboursOf(
  backups: readonly Backup[],
  backup: Backup,
): { readonly previous: Backup | undefined; readonly next: Backup | undefined } {
  const known = backups.findIndex(({ id }) => id === backup.id);
  const ordered = known === -1 ? byAge([...backups, backup]) : backups;
  const place = known === -1 ? ordered.indexOf(backup) : known;
  return {
    previous: ordered.findLast((one, number) => number < place && isCopyDone(one)),
    next: ordered.find((one, number) => number > place && isCopyDone(one)),
  };
}

function single(backup: Backup | undefined): FoundBackup {
  return backup === undefined ? { kind: 'unknown' } : { kind: 'found', backup };
}
