import { readCurrentRole, readPrivileges } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** The role of `conninfo` may take backups. */
export const backupPrivileges: Check = {
  name: 'superuser or standard user with backup privileges',
  failureName: 'no access to backup functions',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: 'The role may not call the backup functions. It fails under the second name.',
  remedies: ['backup-functions', 'backup-functions-until-14'],
  async run(facts) {
    const access = accessible(facts.connection);
    if (access === undefined) return undefined;
    const { canBackUp } = await readPrivileges(access.connection, access.version.number);
    if (canBackUp) return passed();
    const key = access.version.number >= 150_000 ? 'backup-functions' : 'backup-functions-until-14';
    const role = await readCurrentRole(access.connection);
    return failed(
      'privileges for PostgreSQL backup functions are required (see docs/first-server.md)',
      mendedBy(key, { role }),
    );
  },
};
