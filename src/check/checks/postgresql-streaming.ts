import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { streamRemedies } from '../connection-remedy.ts';
import { judgeStream } from '../judge-stream.ts';

/** The server answers on the replication connection. */
export const postgresqlStreaming: Check = {
  name: 'PostgreSQL streaming',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: '`streaming_conninfo` gives no replication connection.',
  remedies: streamRemedies,
  run({ connection, streaming }) {
    return accessible(connection) === undefined ? undefined : judgeStream(streaming);
  },
};
