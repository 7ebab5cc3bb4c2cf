import type { Check } from '../check.ts';
import { failed } from '../verdict.ts';

/** The configuration of the server has no problem; the report shows the problems below the line. */
export const configuration: Check = {
  name: 'configuration',
  appliesTo: 'every',
  isCritical: true,
  run({ server }) {
    return server.config.problems.length === 0 ? undefined : failed();
  },
};
