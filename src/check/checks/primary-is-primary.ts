import { readIsInRecovery } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { queryRemedies } from '../connection-remedy.ts';
import { primaryRemedy } from '../primary-remedy.ts';
import { failed, passed } from '../verdict.ts';

/** `primary_conninfo` reaches a primary. */
export const primaryIsPrimary: Check = {
  name: 'Primary server is not a standby',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: '`primary_conninfo` reaches a standby, or nothing.',
  remedies: ['primary-conninfo-wrong', ...queryRemedies],
  async run({ server, connection, primary }) {
    const access = accessible(connection);
    if (access === undefined || primary === undefined || !(await readIsInRecovery(access.connection))) return undefined;
    if (primary.kind === 'failed') return failed(primary.reason, primary.remedy);
    const isStandby = await readIsInRecovery(primary.value.connection);
    if (!isStandby) return passed();
    return failed('primary_conninfo should point to a primary server, not a standby', await primaryRemedy(server, access));
  },
};
