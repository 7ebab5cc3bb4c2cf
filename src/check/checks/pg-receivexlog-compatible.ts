import type { Check } from '../check.ts';
import { judgeClientVersion } from '../judge-client.ts';

/** `pg_receivewal` is of the server's release or a newer one. */
export const pgReceivexlogCompatible: Check = {
  name: 'pg_receivexlog compatible',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'It is older than the server. `None` for PostgreSQL: no replication connection.',
  remedies: ['client-old', 'server-version-unknown'],
  async run(facts) {
    if (!facts.server.config.options.streaming_archiver) return undefined;
    return await judgeClientVersion(facts, 'pg_receivewal');
  },
};
