import { accessible } from '../accessible.ts';
import type { Check } from '../check.ts';
import { judgeStream } from '../judge-stream.ts';

/** The server answers on the replication connection. */
export const postgresqlStreaming: Check = {
  name: 'PostgreSQL streaming',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: '`streaming_conninfo` gives no replication connection.',
  remedies: [
    'not-listening',
    'stream-not-let-in',
    'stream-not-let-in-locally',
    'password-wrong',
    'no-replication-right',
    'no-sender-free',
    'conninfo-unset',
    'no-connection',
  ],
  run({ connection, streaming }) {
    return accessible(connection) === undefined ? undefined : judgeStream(streaming);
  },
};
