import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { commandReference } from '../../../docs/generate-commands.ts';
import { exitCodeOf } from '../../../src/shared/error-codes.ts';

const root = new URL('../../../', import.meta.url);

async function read(path: string): Promise<string> {
  return await readFile(new URL(path, root), 'utf8');
}

test('docs/commands.md is what the tables of the program say: npm run docs', async () => {
  expect(await read('docs/commands.md')).toBe(await commandReference());
});

test('docs/errors.md lists every error code with its exit code', async () => {
  const rows = (await read('docs/errors.md')).matchAll(/^\| `([a-z-]+)` \| (\d+) \|/gm);
  const listed = Object.fromEntries([...rows].map(([, code = '', exitCode]) => [code, Number(exitCode)]));
  expect(listed).toEqual(exitCodeOf);
});

test('every page that README.md and the docs name is there', async () => {
  const pages = (await readdir(new URL('docs/', root))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`);
  for (const page of ['README.md', ...pages]) {
    const named = [...(await read(page)).matchAll(/`((?:docs|src|test|etc)\/[\w./-]+\.\w+)`/g)].map(([, path = '']) => path);
    expect({ page, missing: named.filter((path) => !existsSync(new URL(path, root))) }).toEqual({ page, missing: [] });
  }
});

test('every page of docs is named in README.md', async () => {
  const readme = await read('README.md');
  const pages = (await readdir(new URL('docs/', root))).filter((name) => name.endsWith('.md'));
  expect(pages.filter((name) => !readme.includes(`docs/${name}`))).toEqual([]);
});
