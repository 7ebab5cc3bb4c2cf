import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { judgeStream } from '../judge-stream.ts';

/** The server answers on the replication connection. */
export const postgresqlStreaming: Check = {
  name: 'PostgreSQL streaming',
  appliesTo: 'active',
  isCritical: true,
  run({ connection, streaming }) {
    return accessible(connection) === undefined ? undefined : judgeStream(streaming);
  },
};
