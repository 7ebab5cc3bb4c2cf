import { methodOf } from '../../config/backup-methods.ts';
import type { Check } from '../check.ts';
import { judgeClientPresence } from '../judge-client.ts';

/** `pg_basebackup` is installed. */
export const pgBasebackup: Check = {
  name: 'pg_basebackup',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'It is not installed.',
  remedies: ['client-missing'],
  async run(facts) {
    if (!methodOf(facts.server.config.options).streams) return undefined;
    return await judgeClientPresence(facts, 'pg_basebackup');
  },
};
