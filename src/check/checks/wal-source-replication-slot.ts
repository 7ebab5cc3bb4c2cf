import type { Check } from '../check.ts';
import { judgeSlot } from '../judge-slot.ts';

/** The receiver's slot on the server that WAL comes from. */
export const walSourceReplicationSlot: Check = {
  name: 'replication slot (WAL streaming)',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: 'As for `replication slot`, on that server.',
  remedies: ['slot-missing', 'slot-idle', 'slot-other'],
  async run(facts) {
    return facts.walConnection === undefined ? undefined : await judgeSlot(facts, facts.walConnection);
  },
};
