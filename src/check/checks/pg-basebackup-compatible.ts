import { methodOf } from '../../config/backup-methods.ts';
import type { Check } from '../check.ts';
import { judgeClientVersion } from '../judge-client.ts';

/** `pg_basebackup` is of the server's release or a newer one. */
export const pgBasebackupCompatible: Check = {
  name: 'pg_basebackup compatible',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'It is older than the server. `None` for PostgreSQL: no replication connection.',
  remedies: ['client-old', 'server-version-unknown'],
  async run(facts) {
    if (!methodOf(facts.server.config.options).streams) return undefined;
    return await judgeClientVersion(facts, 'pg_basebackup');
  },
};
