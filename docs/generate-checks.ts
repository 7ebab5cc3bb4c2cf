import { allChecks, checkTimeout } from '../src/check/all-checks.ts';
import type { Check } from '../src/check/check.ts';
import { remedyOf } from '../src/check/remedies.ts';
import type { Remedy } from '../src/check/remedy.ts';
import { renderStep } from '../src/output/render-remedy.ts';

const introduction = `# Checks

This page is made from the checks in \`src/check\` by \`npm run docs\`; do not edit it.

\`pgcellar check SERVER\` examines a server and its catalog. It prints one line for each check, \`OK\` or \`FAILED\`, some with a hint. If a
line says FAILED, the exit code is 1, or 2 with \`--nagios\`; an inactive server always ends with 0. \`backup\` runs the same checks first, and
does not start when a check fails that has *yes* in the third column below. Lines marked † appear only when they fail.

On a terminal, each failed check is followed by its cause and its remedy: the texts below, filled in for the server. They never
appear with \`--nagios\`, with \`-f json\`, on a pipe, or under the name \`barman\`. \`pgcellar doctor SERVER\` walks through the failed checks, shows
each step, runs it on a yes, and checks again.

The checks create missing folders of the server. If nothing was ever archived, they archive waiting WAL, and may close a WAL segment of
the server and wait for it.

- No check connects to an inactive server (\`active = off\`) or a passive one: only the checks of its catalog run, which do
  not query PostgreSQL. Failures of an inactive server do not count.
- All checks of a server share \`check_timeout\` seconds, or those of \`--check-timeout\`; 0 is no limit. Several servers are checked side by
  side, so a hanging server delays no other; the reports are in the order of the server names.
- Names are Barman's, so that alerts and exporters find them. The checks of the last block are not in Barman.
`;

/** The page docs/checks.md: every check with the meaning of its failure and its remedies, from the data that the program prints. */
export function checkReference(): string {
  const headings = [...new Set(allChecks.map(({ about }) => about))];
  const tables = headings.map((heading) => tableOf(heading));
  return [introduction, ...tables, remediesSection()].join('\n');
}

function tableOf(heading: string): string {
  const checks = allChecks.filter(({ about }) => about === heading);
  const rows = (heading === checkTimeout.about ? [...checks, checkTimeout] : checks).map(rowOf);
  const head = ['| check | a failure means | keeps backups from starting | remedies |', '| --- | --- | --- | --- |'];
  return `## ${heading}\n\n${[...head, ...rows].join('\n')}\n`;
}

function rowOf(check: Omit<Check, 'run' | 'appliesTo'>): string {
  const { name, failureName, meaning, isCritical, remedies, isShownOnlyWhenFailed } = check;
  const names = [name, ...(failureName === undefined ? [] : [failureName])].map((text) => `\`${text}\``).join(', ');
  const mends = remedies.map((key) => `[${key}](#${key})`).join(', ');
  const text = isShownOnlyWhenFailed === true ? `† ${meaning}` : meaning;
  return `| ${names} | ${text} | ${isCritical ? 'yes' : 'no'} | ${mends === '' ? '-' : mends} |`;
}

function remediesSection(): string {
  const keys = [...new Set([...allChecks, checkTimeout].flatMap(({ remedies }) => remedies))];
  return `## Remedies\n\nCapitals stand for values of the server.\n\n${keys.map((key) => remedySection(remedyOf(key))).join('\n')}`;
}

function remedySection({ key, cause, steps }: Remedy): string {
  const lines = steps.flatMap((step) => renderStep(step, ['pgcellar'])).map(inCapitals);
  return `### ${key}\n\n${sentence(inCapitals(cause))}.\n\n\`\`\`\n${lines.join('\n')}\n\`\`\`\n`;
}

/** `{errors}` is `ERRORS`, and `'{errors}'` of a shell word too. */
function inCapitals(text: string): string {
  return text.replaceAll(/'?\{([a-zA-Z]+)\}'?/g, (whole, name: string) => {
    const word = name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    const isQuoted = whole.startsWith("'") && whole.endsWith("'");
    return isQuoted ? word : `${whole.startsWith("'") ? "'" : ''}${word}${whole.endsWith("'") ? "'" : ''}`;
  });
}

function sentence(text: string): string {
  return text.startsWith('_') ? text : `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
