import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** No failed backup lies in the catalog. */
export const failedBackups: Check = {
  name: 'failed backups',
  appliesTo: 'every',
  isCritical: false,
  about: 'The catalog',
  meaning: 'The catalog has failed backups.',
  remedies: ['backups-failed'],
  run({ backups }) {
    const ids = backups.filter(({ status }) => status === 'FAILED').map(({ id }) => id);
    const count = ids.length;
    const hint = `there are ${String(count)} failed backups`;
    return count === 0 ? passed(hint) : failed(hint, mendedBy('backups-failed', { failed: ids }));
  },
};
