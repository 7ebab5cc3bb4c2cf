import { isCopyDone } from '../../catalog/backups/backup.ts';
import { backupsLocation, isOrphan } from '../../catalog/backups/backup-files.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** Every usable backup has its files. */
export const backupFilesPresent: Check = {
  name: 'backup files',
  appliesTo: 'every',
  isCritical: false,
  about: 'Not in Barman',
  meaning: 'The folder of a backup that its record calls usable is gone, or empty.',
  remedies: ['backup-files-lost'],
  isShownOnlyWhenFailed: true,
  async run({ server: { layout }, backups }) {
    const lost: string[] = [];
    for (const backup of backups) if (isCopyDone(backup) && (await isOrphan(layout, backup))) lost.push(backup.id);
    const [first] = lost;
    if (first === undefined) return undefined;
    const others = lost.length === 1 ? '' : `, and those of ${String(lost.length - 1)} more`;
    const base = backupsLocation(layout);
    return failed(
      `the files of backup ${first} are not in ${base}${others}`,
      mendedBy('backup-files-lost', { backup: first, base }),
    );
  },
};
