import type { Check } from '../check.ts';
import { judgeSystemIds } from '../judge-system-ids.ts';

/** WAL comes from the cluster that the catalog belongs to. */
export const walSourceSystemId: Check = {
  name: 'systemid coherence (WAL streaming)',
  appliesTo: 'active',
  isCritical: true,
  about: 'PostgreSQL',
  meaning: 'That server is of another cluster than the catalog.',
  remedies: ['connections-differ', 'another-cluster'],
  async run(facts) {
    const { walConnection: connection, walStreaming: streaming } = facts;
    return connection === undefined ? undefined : await judgeSystemIds(facts, { connection, streaming });
  },
};
