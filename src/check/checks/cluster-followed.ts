import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** A primary of the cluster can be streamed from, and no other node claims to be one. */
export const clusterFollowed: Check = {
  name: 'cluster followed',
  appliesTo: 'active',
  isCritical: false,
  about: 'Not in Barman',
  meaning:
    'No node of the cluster can be followed, or an old primary still runs as a primary. `show-cluster` names the reason, and docs/high-availability.md lists all reasons.',
  remedies: ['cluster-not-followed'],
  isShownOnlyWhenFailed: true,
  async run(_facts, { readCluster }) {
    const { reason, remedy } = (await readCluster?.()) ?? {};
    return reason === undefined
      ? undefined
      : failed(reason, mendedBy('cluster-not-followed', { reason, advice: remedy ?? '' }));
  },
};
