import { readdir } from 'node:fs/promises';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed, passed } from '../verdict.ts';

const kinds = [
  { label: 'duplicates', shape: /\.duplicate$/ },
  { label: 'unknown', shape: /\.unknown$/ },
  { label: 'of another cluster', shape: /\.foreign$/ },
  { label: 'of another segment than its name says', shape: /\.misnamed$/ },
  { label: 'not relevant', shape: /\.error$/ },
] as const;

/** No WAL file was refused. */
export const archiverErrors: Check = {
  name: 'archiver errors',
  appliesTo: 'every',
  isCritical: false,
  about: 'Programs and configuration',
  meaning:
    'The errors folder contains rejected WAL files: duplicates with other content, unknown names, WAL of another cluster (`.foreign`) or of another segment than its name says (`.misnamed`).',
  remedies: ['wal-refused'],
  async run({ server }) {
    const { errors } = server.layout;
    const names = await namesIn(errors);
    return names.length === 0
      ? passed()
      : failed(summaryOfErrors(names), mendedBy('wal-refused', { errors, aside: `${errors}.seen` }));
  },
};

/** `duplicates: 2, unknown failure: 1`: how many files there are of each kind, by the ends of their names. */
function summaryOfErrors(names: readonly string[]): string {
  const counts = new Map<string, number>([...kinds.map(({ label }) => [label, 0] as const), ['unknown failure', 0]]);
  for (const name of names) {
    const label = kinds.find(({ shape }) => shape.test(name))?.label ?? 'unknown failure';
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  return [...counts]
    .filter(([, count]) => count > 0)
    .map(([label, count]) => `${label}: ${String(count)}`)
    .join(', ');
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw new OperatorError('file-unreadable', `cannot read the folder ${folder}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
