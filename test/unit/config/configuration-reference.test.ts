import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { configurationReference } from '../../../docs/generate-configuration.ts';
import { globalOptions, serverOptionNames } from '../../../src/config/options.ts';

test('the reference has one row for each option', () => {
  const rows = configurationReference()
    .split('\n')
    .map((line) => /^\| `(\w+)` \|/.exec(line)?.[1])
    .filter((key) => key !== undefined);
  expect(rows).toEqual([...Object.keys(globalOptions).toSorted(), ...serverOptionNames]);
});

test('docs/configuration.md is what the table says', async () => {
  const page = await readFile(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  expect(page).toBe(configurationReference());
});
