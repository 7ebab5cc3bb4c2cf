import { readCurrentRole, readPrivileges } from '../../postgres/server-queries.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** The role may see what the receiver does on the server that WAL comes from. */
export const monitoringPrivileges: Check = {
  name: 'has monitoring privileges (WAL streaming)',
  failureName: 'no access to monitoring functions',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning:
    'Only when `wal_conninfo` or `wal_streaming_conninfo` names another server: its role may not monitor, or there is no connection. It fails under the second name.',
  remedies: ['monitoring-functions'],
  async run({ walConnection }) {
    if (walConnection === undefined) return undefined;
    if (walConnection.kind === 'failed') return failed(walConnection.reason, walConnection.remedy);
    const { connection, version } = walConnection.value;
    const { canMonitor } = await readPrivileges(connection, version.number);
    if (canMonitor) return passed();
    const remedy = mendedBy('monitoring-functions', { role: await readCurrentRole(connection) });
    return failed('privileges for PostgreSQL monitoring functions are required (see docs/first-server.md)', remedy);
  },
};
