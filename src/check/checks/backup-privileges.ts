import { readPrivileges } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** The role of `conninfo` may take backups. */
export const backupPrivileges: Check = {
  name: 'superuser or standard user with backup privileges',
  failureName: 'no access to backup functions',
  appliesTo: 'active',
  isCritical: true,
  async run(facts) {
    const access = accessible(facts.connection);
    if (access === undefined) return undefined;
    const { canBackUp } = await readPrivileges(access.connection, access.version.number);
    return canBackUp ? passed() : failed('privileges for PostgreSQL backup functions are required (see docs/first-server.md)');
  },
};
