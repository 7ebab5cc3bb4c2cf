import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { checkReference } from '../../../docs/generate-checks.ts';
import { allChecks, checkTimeout } from '../../../src/check/all-checks.ts';

const names = allChecks.flatMap(({ name, failureName }) => (failureName === undefined ? [name] : [name, failureName]));

test('every file of the folder is in the list', async () => {
  const folder = new URL('../../../src/check/checks/', import.meta.url);
  const list = await readFile(new URL('../all-checks.ts', folder), 'utf8');
  const listed = [...list.matchAll(/'\.\/checks\/(.+)'/g)].map(([, name]) => name);
  expect(listed.toSorted()).toEqual((await readdir(folder)).toSorted());
  expect(allChecks).toHaveLength(listed.length);
});

test('no name is used twice', () => {
  expect(new Set(names).size).toBe(names.length);
});

test('docs/checks.md is what the checks say: npm run docs', async () => {
  expect(await readFile(new URL('../../../docs/checks.md', import.meta.url), 'utf8')).toBe(checkReference());
});

test('docs/checks.md explains each check under its name, in the order of the list', async () => {
  const page = await readFile(new URL('../../../docs/checks.md', import.meta.url), 'utf8');
  const explained = [...page.matchAll(/^\| (`.+?`) \|/gm)].flatMap(([, cell = '']) => cell.match(/[^`]+(?=`)/g) ?? []);
  expect(explained.filter((name) => name !== ', ')).toEqual([...names, checkTimeout.name]);
});

test('docs/checks.md says which failures do not keep a backup from starting', async () => {
  const page = await readFile(new URL('../../../docs/checks.md', import.meta.url), 'utf8');
  const harmless = [...page.matchAll(/^\| `(.+?)`.* \| no \| /gm)].map(([, name]) => name);
  expect(harmless).toEqual(allChecks.filter(({ isCritical }) => !isCritical).map(({ name }) => name));
});

test("the failures that do not keep a backup from starting are Barman's, and nine of ours", () => {
  expect(allChecks.filter(({ isCritical }) => !isCritical).map(({ name }) => name)).toEqual([
    'empty incoming directory',
    'incoming WALs directory',
    'empty streaming directory',
    'streaming WALs directory',
    'PostgreSQL server is standby',
    'backup maximum age',
    'backup minimum size',
    'wal maximum age',
    'failed backups',
    'minimum redundancy requirements',
    'archiver errors',
    'backup records',
    'backup files',
    'WAL continuity',
    'cluster followed',
    'cluster losses',
    'WAL files',
    'WAL arrivals',
    'connection strings',
    'unavailable options',
  ]);
});
