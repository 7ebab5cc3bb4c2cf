import type { Check } from '../check.ts';
import { failed, passed } from '../verdict.ts';

/** A policy that is set can be enforced. */
export const retentionPolicySettings: Check = {
  name: 'retention policy settings',
  appliesTo: 'every',
  isCritical: true,
  run({ server }) {
    const { retention } = server.config;
    const verdict =
      retention.kind === 'invalid'
        ? failed('see log: retention_policy cannot be read; write REDUNDANCY n or RECOVERY WINDOW OF n DAYS|WEEKS|MONTHS')
        : passed();
    return verdict;
  },
};
