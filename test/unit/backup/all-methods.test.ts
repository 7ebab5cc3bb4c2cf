import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { allMethods } from '../../../src/backup/all-methods.ts';

test('every file in methods is in the list, under its own name', async () => {
  const files = await readdir(new URL('../../../src/backup/methods', import.meta.url));
  expect(allMethods.map(({ name }) => `${name}.ts`).toSorted()).toEqual(files.toSorted());
});
