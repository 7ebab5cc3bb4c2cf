import type { Check } from '../check.ts';
import { judgeSlot, slotRemedies } from '../judge-slot.ts';

/** The receiver's slot, unless WAL comes from another server. */
export const replicationSlot: Check = {
  name: 'replication slot',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning:
    'The slot of `slot_name` is missing, lost WAL that it needs (`wal_status`), was never used, or nobody streams from it. Without a connection this is unknown, and the line says so. An OK with a warning: a slot that nobody needs makes the server keep WAL; `receive-wal --drop-slot` drops it.',
  remedies: slotRemedies,
  async run(facts) {
    return facts.walConnection === undefined ? await judgeSlot(facts, facts.connection) : undefined;
  },
};
