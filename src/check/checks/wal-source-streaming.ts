import type { Check } from '../check.ts';
import { judgeStream } from '../judge-stream.ts';

/** The server that WAL comes from answers on the replication connection. */
export const walSourceStreaming: Check = {
  name: 'PostgreSQL streaming (WAL streaming)',
  appliesTo: 'active',
  isCritical: true,
  run({ walStreaming }) {
    return judgeStream(walStreaming);
  },
};
