import { readIsInRecovery, readSystemId } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check, Verdict } from '../check.ts';
import { queryRemedies } from '../connection-remedy.ts';
import { primaryRemedy } from '../primary-remedy.ts';
import { failed, passed } from '../verdict.ts';

type SystemId = string | undefined;

/** A role without the right to ask is no sign of two clusters. */
function unknown(own: SystemId, other: SystemId): Verdict {
  const options = [...(own === undefined ? ['conninfo'] : []), ...(other === undefined ? ['primary_conninfo'] : [])];
  const hint = `unknown: the role of ${options.join(' and ')} may not call pg_control_system()`;
  return { ...passed(hint), asBarman: '' };
}

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
    const other = await readSystemId(primary.value.connection);
    if (own === undefined || other === undefined) return unknown(own, other);
    if (own === other) return passed();
    return failed(
      'primary_conninfo and conninfo should point to primary and standby servers which share the same system identifier',
      await primaryRemedy(server, access),
    );
  },
};
