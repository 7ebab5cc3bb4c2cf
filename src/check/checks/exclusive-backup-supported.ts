import { methodOf } from '../../config/backup-methods.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** An exclusive backup is possible: it is gone from PostgreSQL 15 on. */
export const exclusiveBackupSupported: Check = {
  name: 'exclusive backup supported',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: '`exclusive_backup` is asked for, which PostgreSQL 15 and newer do not have.',
  remedies: ['exclusive-impossible'],
  run({ server, connection }) {
    const { options } = server.config;
    const open = accessible(connection);
    if (open === undefined || !options.backup_options.includes('exclusive_backup') || !methodOf(options).copiesFiles)
      return undefined;
    if (open.version.number < 150_000) return passed();
    return failed(`PostgreSQL ${open.version.text} has no exclusive backup`, mendedBy('exclusive-impossible'));
  },
};
