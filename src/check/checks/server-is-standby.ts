import { readIsInRecovery } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** With `primary_conninfo`, `conninfo` reaches a standby. */
export const serverIsStandby: Check = {
  name: 'PostgreSQL server is standby',
  appliesTo: 'active',
  isCritical: false,
  about: 'PostgreSQL',
  meaning: '`primary_conninfo` is set, but `conninfo` reaches no standby.',
  remedies: ['primary-conninfo-needless'],
  async run({ connection, primary }) {
    const access = accessible(connection);
    if (access === undefined || primary === undefined) return undefined;
    const isStandby = await readIsInRecovery(access.connection);
    return isStandby
      ? passed()
      : failed('conninfo should point to a standby server if primary_conninfo is set', mendedBy('primary-conninfo-needless'));
  },
};
