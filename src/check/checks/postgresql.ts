import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** The server answers queries. */
export const postgresql: Check = {
  name: 'PostgreSQL',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning:
    '`conninfo` gives no connection, or the server is older than 9.6; the hint says why. The checks that need it are left out.',
  remedies: [
    'not-listening',
    'not-let-in',
    'not-let-in-locally',
    'password-wrong',
    'database-missing',
    'no-sender-free',
    'conninfo-unset',
    'no-connection',
    'server-too-old',
  ],
  run({ connection }) {
    return connection?.kind === 'failed' ? failed(connection.reason, connection.remedy) : passed();
  },
};
