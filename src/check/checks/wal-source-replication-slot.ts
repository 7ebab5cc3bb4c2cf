import type { Check } from '../check.ts';
import { judgeSlot, slotRemedies } from '../judge-slot.ts';

/** The receiver's slot on the server that WAL comes from. */
export const walSourceReplicationSlot: Check = {
  name: 'replication slot (WAL streaming)',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: 'As for `replication slot`, on that server.',
  remedies: slotRemedies,
  async run(facts) {
    return facts.walConnection === undefined ? undefined : await judgeSlot(facts, facts.walConnection);
  },
};
