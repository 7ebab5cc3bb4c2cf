import { methodOf } from '../../config/backup-methods.ts';
import { readIsInRecovery } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** An exclusive backup is taken of a primary: a standby cannot. */
export const notInRecovery: Check = {
  name: 'not in recovery',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: '`exclusive_backup` is set, and `conninfo` reaches a standby.',
  remedies: ['exclusive-impossible'],
  async run({ server, connection }) {
    const { options } = server.config;
    const open = accessible(connection);
    if (open === undefined || !options.backup_options.includes('exclusive_backup') || !methodOf(options).copiesFiles)
      return undefined;
    if (!(await readIsInRecovery(open.connection))) return passed();
    return failed('cannot perform exclusive backup on a standby', mendedBy('exclusive-impossible'));
  },
};
