import type { Check } from '../check.ts';
import { judgeWalLevel } from '../judge-wal-level.ts';

/** The server writes enough WAL. */
export const walLevel: Check = {
  name: 'wal_level',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: 'It is `minimal`.',
  remedies: ['wal-level-minimal'],
  async run({ connection }) {
    return await judgeWalLevel(connection, 'conninfo');
  },
};
