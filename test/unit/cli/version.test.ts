import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { version, versionLine } from '../../../src/cli/version.ts';

test('the version is that of the package', async () => {
  const text = await readFile(new URL('../../../package.json', import.meta.url), 'utf8');
  expect((JSON.parse(text) as { version: string }).version).toBe(version()); // package.json has one
});

test.each([
  ['pgcellar', `pgcellar ${version()}`],
  ['pgcellar-wal-archive', `pgcellar-wal-archive ${version()}`],
  ['barman', `3.20.1 Barman (pgcellar ${version()})`],
  ['barman-wal-restore', `barman-wal-restore 3.20.1 (pgcellar ${version()})`],
])('called by the name of %s, it says %s', (name, line) => {
  expect(versionLine(name)).toBe(line);
});
