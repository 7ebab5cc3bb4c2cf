import type { Check } from '../check.ts';
import { judgeWalLevel } from '../judge-wal-level.ts';

/** The server writes enough WAL. */
export const walLevel: Check = {
  name: 'wal_level',
  appliesTo: 'active',
  isCritical: true,
  async run({ connection }) {
    return await judgeWalLevel(connection);
  },
};
