import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** Somebody knows of all WAL that was lost when the primary changed. */
export const clusterLosses: Check = {
  name: 'cluster losses',
  appliesTo: 'active',
  isCritical: false,
  about: 'Not in Barman',
  meaning:
    'WAL was lost when the primary of the cluster changed, and nobody has acknowledged that: `show-cluster --history` lists each switch, `show-cluster --acknowledge` removes the line.',
  remedies: ['switch-lost-wal'],
  isShownOnlyWhenFailed: true,
  async run(_facts, { readCluster }) {
    const { losses = [] } = (await readCluster?.()) ?? {};
    return losses.length === 0
      ? undefined
      : failed(losses.join('; '), mendedBy('switch-lost-wal', { loss: losses.join('; ') }));
  },
};
