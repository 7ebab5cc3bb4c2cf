import type { Check } from '../check.ts';
import { judgeSlot } from '../judge-slot.ts';

/** The receiver's slot, unless WAL comes from another server. */
export const replicationSlot: Check = {
  name: 'replication slot',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning:
    'The slot of `slot_name` is missing, was never used, or nobody streams from it. An OK with a warning: a slot that nobody needs makes the server keep WAL; `receive-wal --drop-slot` drops it.',
  remedies: ['slot-missing', 'slot-idle', 'slot-other'],
  async run(facts) {
    return facts.walConnection === undefined ? await judgeSlot(facts, facts.connection) : undefined;
  },
};
