import { allChecks, checkTimeout } from '../src/check/all-checks.ts';
import type { Check } from '../src/check/check.ts';
import { remedyOf } from '../src/check/remedies.ts';
import type { Remedy } from '../src/check/remedy.ts';
import { renderStep } from '../src/output/render-remedy.ts';

const introduction = `# Checks

This page is made from the checks in \`src/check\` by \`npm run docs\`; do not edit it.

\`pgcellar check SERVER\` looks at a server and at its catalog and prints one line for each check, \`OK\` or \`FAILED\`, some with a hint. It
ends with 1 when a line says FAILED, unless the server is inactive; with \`--nagios\` with 2. \`backup\` begins with the same checks and
does not start when one fails that keeps it from that, the third column below. Lines marked † are there only when they fail.

On a terminal, each failed check is followed by its cause and what mends it: the same as below, filled in for the server. It is never
there with \`--nagios\`, with \`-f json\`, on a pipe, or under the name \`barman\`. \`pgcellar doctor SERVER\` walks through the failed checks, shows
each step, runs it on a yes, and checks again.

The checks make missing folders of the server. When nothing was ever archived, they archive what waits, and may close a WAL segment of
the server and wait for it.

- An inactive server (\`active = off\`) or a passive one is not connected to: only the checks of its catalog run (all those below that do
  not ask PostgreSQL). Failures of an inactive server do not count.
- All checks of a server share \`check_timeout\` seconds, or those of \`--check-timeout\`; 0 is no limit. Several servers are checked side by
  side, so that one that hangs holds up no other; their reports come in the order of their names.
- Names are Barman's, so that alerts and exporters find them. The last block is ours.
`;

/** The page docs/checks.md: every check with what its failure means and what mends it, from the data that the program prints. */
export function checkReference(): string {
  const headings = [...new Set(allChecks.map(({ about }) => about))];
  const tables = headings.map((heading) => tableOf(heading));
  return [introduction, ...tables, remediesSection()].join('\n');
}

function tableOf(heading: string): string {
  const checks = allChecks.filter(({ about }) => about === heading);
  const rows = (heading === checkTimeout.about ? [...checks, checkTimeout] : checks).map(rowOf);
  const head = ['| check | a failure means | keeps backups from starting | what mends it |', '| --- | --- | --- | --- |'];
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
  return `## What mends it\n\nIn capitals stands what belongs to the server at hand.\n\n${keys.map((key) => remedySection(remedyOf(key))).join('\n')}`;
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
