import type { Check } from '../check.ts';
import { judgeSlot } from '../judge-slot.ts';

/** The receiver's slot, unless WAL comes from another server. */
export const replicationSlot: Check = {
  name: 'replication slot',
  appliesTo: 'active',
  isCritical: true,
  async run(facts) {
    return facts.walConnection === undefined ? await judgeSlot(facts, facts.connection) : undefined;
  },
};
