import type { Check } from '../check.ts';
import { judgeClientPresence } from '../judge-client.ts';

/** `pg_receivewal` is installed; the line keeps the older name. */
export const pgReceivexlog: Check = {
  name: 'pg_receivexlog',
  appliesTo: 'active',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: '`pg_receivewal` is not installed.',
  remedies: ['client-missing'],
  async run(facts) {
    if (!facts.server.config.options.streaming_archiver) return undefined;
    return await judgeClientPresence(facts, 'pg_receivewal');
  },
};
