import { backupTypeOf } from '../../catalog/backups/backup.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** There are as many backups as `minimum_redundancy` asks for. */
export const minimumRedundancyRequirements: Check = {
  name: 'minimum redundancy requirements',
  appliesTo: 'every',
  isCritical: false,
  about: 'The catalog',
  meaning: 'There are fewer full backups than `minimum_redundancy`.',
  remedies: ['backups-few'],
  run({ server, backups }) {
    const least = server.config.options.minimum_redundancy;
    const count = backups.filter((backup) => backup.status === 'DONE' && backupTypeOf(backup) !== 'incremental').length;
    const hint = `have ${String(count)} non-incremental backups, expected at least ${String(least)}`;
    return count >= least ? passed(hint) : failed(hint, mendedBy('backups-few'));
  },
};
