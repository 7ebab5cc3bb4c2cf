import type { Check } from '../check.ts';
import { queryRemedies } from '../connection-remedy.ts';
import { failed, passed } from '../verdict.ts';

/** The server answers queries. */
export const postgresql: Check = {
  name: 'PostgreSQL',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning:
    '`conninfo` gives no connection, or the server is older than 9.6; the hint gives the reason. The checks that need a connection are left out.',
  remedies: queryRemedies,
  run({ connection }) {
    return connection?.kind === 'failed' ? { ...failed(connection.reason, connection.remedy), asBarman: '' } : passed();
  },
};
