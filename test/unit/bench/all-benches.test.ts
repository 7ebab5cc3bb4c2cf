import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { allBenches } from '../../bench/all-benches.ts';

const root = new URL('../../../', import.meta.url);

test('every bench in the folder is in the list, under the name of its file', async () => {
  const files = (await readdir(new URL('test/bench/', root))).filter((name) => name.startsWith('bench-'));
  expect(allBenches.map(({ name }) => `bench-${name}.ts`).toSorted()).toEqual(files.toSorted());
});

test('docs/performance.md has a place for the figures of every bench', async () => {
  const text = await readFile(new URL('docs/performance.md', root), 'utf8');
  for (const { name } of allBenches) expect(text).toMatch(new RegExp(`<!-- bench ${name} -->\n[^]*<!-- end of ${name} -->`));
});
