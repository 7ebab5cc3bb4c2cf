import { findProgram } from '../../transport/programs/find-program.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

const neededPrograms = ['flock', 'setpriv'] as const;

/** The programs that all work goes through are installed. */
export const programs: Check = {
  name: 'programs',
  appliesTo: 'every',
  isCritical: true,
  about: 'Not in Barman',
  meaning: '`flock` or `setpriv` is missing.',
  remedies: ['util-linux-missing'],
  isShownOnlyWhenFailed: true,
  async run({ server }) {
    const missing: string[] = [];
    for (const name of neededPrograms) {
      if ((await findProgram(name, server.programPath)) === undefined) missing.push(name);
    }
    return missing.length === 0
      ? undefined
      : failed(
          `not found: ${missing.join(', ')}; install the package util-linux`,
          mendedBy('util-linux-missing', { missing: missing.join(', ') }),
        );
  },
};
