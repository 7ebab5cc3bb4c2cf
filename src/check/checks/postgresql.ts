import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** The server answers queries. */
export const postgresql: Check = {
  name: 'PostgreSQL',
  appliesTo: 'active',
  isCritical: true,
  run({ connection }) {
    return connection?.kind === 'failed' ? failed(connection.reason) : passed();
  },
};
