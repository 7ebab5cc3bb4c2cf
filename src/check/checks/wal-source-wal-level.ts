import type { Check } from '../check.ts';
import { judgeWalLevel } from '../judge-wal-level.ts';

/** The server that WAL comes from writes enough of it. */
export const walSourceWalLevel: Check = {
  name: 'wal_level (WAL streaming)',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: 'As for `wal_level`, on that server.',
  remedies: ['wal-level-minimal'],
  async run({ walConnection }) {
    return await judgeWalLevel(walConnection, 'wal_conninfo');
  },
};
