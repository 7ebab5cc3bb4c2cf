import type { Check } from '../check.ts';
import { failed } from '../verdict.ts';

/** Nothing can be encrypted yet, so a server that asks for it fails. */
export const encryption: Check = {
  name: 'encryption',
  appliesTo: 'every',
  isCritical: true,
  run({ server }) {
    const isAsked = server.config.options.encryption !== undefined;
    return isAsked ? failed('encryption is not available yet') : undefined;
  },
};
