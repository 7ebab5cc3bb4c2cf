import type { Check } from '../check.ts';
import { judgeSystemIds } from '../judge-system-ids.ts';

/** Both connections reach the cluster that the catalog belongs to. */
export const systemidCoherence: Check = {
  name: 'systemid coherence',
  appliesTo: 'every',
  isCritical: true,
  about: 'Programs and configuration',
  meaning:
    'The two connection strings reach different clusters, or another cluster than the one that the catalog was begun with (`identity.json`). An OK with a warning: they reach two nodes of one cluster.',
  remedies: ['connections-differ', 'another-cluster'],
  async run(facts) {
    return await judgeSystemIds(facts, facts);
  },
};
