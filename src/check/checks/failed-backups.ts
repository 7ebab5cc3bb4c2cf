import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** No failed backup lies in the catalog. */
export const failedBackups: Check = {
  name: 'failed backups',
  appliesTo: 'every',
  isCritical: false,
  run({ backups }) {
    const count = backups.filter(({ status }) => status === 'FAILED').length;
    const hint = `there are ${String(count)} failed backups`;
    return count === 0 ? passed(hint) : failed(hint);
  },
};
