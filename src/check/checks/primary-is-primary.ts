import { readIsInRecovery } from '../../postgres/server-queries.ts';
import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** `primary_conninfo` reaches a primary. */
export const primaryIsPrimary: Check = {
  name: 'Primary server is not a standby',
  appliesTo: 'active',
  isCritical: true,
  async run({ connection, primary }) {
    const access = accessible(connection);
    if (access === undefined || primary === undefined || !(await readIsInRecovery(access.connection))) return undefined;
    if (primary.kind === 'failed') return failed(primary.reason);
    const isStandby = await readIsInRecovery(primary.value.connection);
    return isStandby ? failed('primary_conninfo should point to a primary server, not a standby') : passed();
  },
};
