import { readPrivileges } from '../../postgres/server-queries.ts';
import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** The role may see what the receiver does on the server that WAL comes from. */
export const monitoringPrivileges: Check = {
  name: 'has monitoring privileges (WAL streaming)',
  failureName: 'no access to monitoring functions',
  appliesTo: 'active',
  isCritical: true,
  async run({ walConnection }) {
    if (walConnection === undefined) return undefined;
    if (walConnection.kind === 'failed') return failed(walConnection.reason);
    const { connection, version } = walConnection.value;
    const { canMonitor } = await readPrivileges(connection, version.number);
    return canMonitor
      ? passed()
      : failed('privileges for PostgreSQL monitoring functions are required (see docs/first-server.md)');
  },
};
