import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

/** A policy that is set can be enforced. */
export const retentionPolicySettings: Check = {
  name: 'retention policy settings',
  appliesTo: 'every',
  isCritical: true,
  about: 'The catalog',
  meaning: '`retention_policy` cannot be read, so nothing is enforced and backups pile up.',
  remedies: ['policy-unreadable'],
  run({ server }) {
    const { retention } = server.config;
    const verdict =
      retention.kind === 'invalid'
        ? {
            ...failed(
              'see log: retention_policy cannot be read; write REDUNDANCY n or RECOVERY WINDOW OF n DAYS|WEEKS|MONTHS',
              mendedBy('policy-unreadable', { policy: retention.text }),
            ),
            asBarman: 'see log',
          }
        : passed();
    return verdict;
  },
};
