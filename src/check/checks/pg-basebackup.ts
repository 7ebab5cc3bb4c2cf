import type { Check } from '../check.ts';
import { judgeClientPresence } from '../judge-client.ts';

/** `pg_basebackup` is installed. */
export const pgBasebackup: Check = {
  name: 'pg_basebackup',
  appliesTo: 'active',
  isCritical: true,
  async run(facts) {
    if (facts.server.config.options.backup_method !== 'postgres') return undefined;
    return await judgeClientPresence(facts, 'pg_basebackup');
  },
};
