import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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

const cited = /docs\/reference\/([\w.-]+\.md)(?:[\s*/]*sections? ((?:[\d.]*\d(?:, | and )?)+))?/g;

/** The sources, tests and pages, each with its text. */
async function citingFiles(): Promise<readonly { path: string; text: string }[]> {
  const files: { path: string; text: string }[] = [];
  for (const folder of ['src', 'test', 'docs']) {
    for (const entry of await readdir(new URL(`${folder}/`, root), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const isCiting = entry.isFile() && /\.(ts|mjs|cjs|md)$/.test(entry.name) && !path.includes('/docs/reference/');
      if (isCiting) files.push({ path, text: await readFile(path, 'utf8') });
    }
  }
  return files;
}

test('every file and section of the reference that is cited is there', async () => {
  const pages = await readdir(new URL('docs/reference/', root));
  const sections = new Map<string, ReadonlySet<string>>();
  for (const page of pages) {
    const anchors = (await read(`docs/reference/${page}`)).matchAll(/<a id="section-([\d.]+)"><\/a>/g);
    sections.set(page, new Set([...anchors].map(([, number = '']) => number)));
  }
  const missing: string[] = [];
  let count = 0;
  for (const { path, text } of await citingFiles()) {
    for (const [citation, page = '', numbers = ''] of text.matchAll(cited)) {
      count++;
      const known = sections.get(page);
      const unknown = known === undefined ? [page] : (numbers.match(/[\d.]*\d/g) ?? []).filter((number) => !known.has(number));
      if (unknown.length > 0) missing.push(`${path}: ${citation} (${unknown.join(', ')})`);
    }
  }
  expect(missing).toEqual([]);
  expect(count).toBeGreaterThan(200);
});

test('the reference is cited where it lies', async () => {
  const names = (await readdir(new URL('docs/reference/', root))).filter((name) => name !== 'README.md');
  const bare = new RegExp(`(?<![\\w/.-])(?:${names.map((name) => name.replaceAll('.', '\\.')).join('|')})(?: sections? \\d)`);
  const found = (await citingFiles()).filter(({ text }) => bare.test(text)).map(({ path }) => path);
  expect(found).toEqual([]);
});
