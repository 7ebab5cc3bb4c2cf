import { readIsInRecovery, readSystemId } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { queryRemedies } from '../connection-remedy.ts';
import { primaryRemedy } from '../primary-remedy.ts';
import { failed, passed } from '../verdict.ts';

/** Primary and standby are servers of one cluster. */
export const primarySystemId: Check = {
  name: 'Primary and standby have same system ID',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: 'Primary and standby are servers of two clusters.',
  remedies: ['primary-conninfo-wrong', ...queryRemedies],
  async run({ server, connection, primary }) {
    const access = accessible(connection);
    if (access === undefined || primary === undefined || !(await readIsInRecovery(access.connection))) return undefined;
    if (primary.kind === 'failed') return failed(primary.reason, primary.remedy);
    const own = await readSystemId(access.connection);
    const isSame = own !== undefined && own === (await readSystemId(primary.value.connection));
    if (isSame) return passed();
    return failed(
      'primary_conninfo and conninfo should point to primary and standby servers which share the same system identifier',
      await primaryRemedy(server, access),
    );
  },
};
