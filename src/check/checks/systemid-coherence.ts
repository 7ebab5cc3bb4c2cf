import type { Check } from '../check.ts';
import { judgeSystemIds } from '../judge-system-ids.ts';

/** Both connections reach the cluster that the catalog belongs to. */
export const systemidCoherence: Check = {
  name: 'systemid coherence',
  appliesTo: 'every',
  isCritical: true,
  async run(facts) {
    return await judgeSystemIds(facts, facts);
  },
};
