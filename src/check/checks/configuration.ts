import { settingsAgainstProblems } from '../../config/server-problems.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';
import { versionProblems } from '../version-problems.ts';

/** The configuration of the server has no problem; the report shows the problems below the line. */
export const configuration: Check = {
  name: 'configuration',
  appliesTo: 'every',
  isCritical: true,
  about: 'Programs and configuration',
  meaning: 'The server is disabled; its problems follow the line.',
  remedies: ['configuration-wrong'],
  isShownOnlyWhenFailed: true,
  async run(facts) {
    const { options } = facts.server.config;
    const problems = [...facts.server.config.problems, ...(await versionProblems(facts))];
    if (problems.length === 0) return undefined;
    const settings = settingsAgainstProblems(options).join('\n');
    const known = settings === '' ? '…' : settings;
    return failed(undefined, mendedBy('configuration-wrong', { problems: problems.join('; '), settings: known }));
  },
};
