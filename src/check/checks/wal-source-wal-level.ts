import type { Check } from '../check.ts';
import { judgeWalLevel } from '../judge-wal-level.ts';

/** The server that WAL comes from writes enough of it. */
export const walSourceWalLevel: Check = {
  name: 'wal_level (WAL streaming)',
  appliesTo: 'active',
  isCritical: true,
  async run({ walConnection }) {
    return await judgeWalLevel(walConnection);
  },
};
