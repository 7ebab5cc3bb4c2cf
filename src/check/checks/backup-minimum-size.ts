import { formatSize } from '../../shared/units.ts';
import type { Check, CheckFacts, Verdict } from '../check.ts';
import { newestBackup } from '../newest-backup.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** The newest backup is not suspiciously small. Its size is what Nagios draws. */
export const backupMinimumSize: Check = {
  name: 'backup minimum size',
  appliesTo: 'every',
  isCritical: false,
  about: 'The catalog',
  meaning: 'The newest backup is smaller than `last_backup_minimum_size`.',
  remedies: ['backup-small'],
  run(facts) {
    return judge(facts);
  },
};

function judge({ server, backups }: CheckFacts): Verdict {
  const least = server.config.options.last_backup_minimum_size;
  const bytes = newestBackup(backups)?.size ?? 0;
  if (least === undefined) return passed(formatSize(bytes), bytes);
  const isEnough = bytes >= least;
  const hint = `last backup size ${formatSize(bytes)} ${isEnough ? '>' : '<'} ${formatSize(least)} minimum`;
  return isEnough ? passed(hint, bytes) : failed(hint, mendedBy('backup-small', { size: String(bytes) }), bytes);
}
