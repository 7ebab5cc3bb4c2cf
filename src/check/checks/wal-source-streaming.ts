import type { Check } from '../check.ts';
import { streamRemedies } from '../connection-remedy.ts';
import { judgeStream } from '../judge-stream.ts';

/** The server that WAL comes from answers on the replication connection. */
export const walSourceStreaming: Check = {
  name: 'PostgreSQL streaming (WAL streaming)',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: 'As for `PostgreSQL streaming`, on that server.',
  remedies: streamRemedies,
  run({ walStreaming }) {
    return judgeStream(walStreaming);
  },
};
