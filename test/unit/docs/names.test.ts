import { readdir, readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Files of a folder, as paths from the root. */
async function filesOf(folder: string, extension: RegExp): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && extension.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Commands whose file shares its name with a file outside `operations`: with the noun that the verb makes, or with its work. */
const partners: ReadonlySet<string> = new Set([
  'src/catalog/backups/backup.ts',
  'src/check/check.ts',
  'src/archive/send-wals.ts',
]);

test('two files of src share a name only when one is the file of a command and the other its operation', async () => {
  const files = await filesOf('src', /\.ts$/);
  const names = files.map((path) => basename(path));
  const shared = new Set(names.filter((name, at) => names.indexOf(name) !== at));
  const sharing = files.filter((path) => shared.has(basename(path)));
  const commands = sharing.filter((path) => path.startsWith('src/cli/commands/')).map((path) => basename(path));
  const others = sharing.filter((path) => !path.startsWith('src/cli/commands/'));
  expect(others.filter((path) => !path.startsWith('src/operations/') && !partners.has(path))).toEqual([]);
  expect(others.map((path) => basename(path)).toSorted()).toEqual(commands.toSorted());
  expect(commands.length).toBeGreaterThan(10);
});

/** Means three things (docs/architecture.md). */
const otherWords = /\bat once\b|AtOnce\b/gi;

test('synchronously, concurrently and immediately are said by their names', async () => {
  const found: string[] = [];
  for (const path of [...(await filesOf('src', /\.ts$/)), ...(await filesOf('test', /\.(ts|mjs|cjs)$/))]) {
    if (path.endsWith('docs/names.test.ts')) continue;
    const text = await readFile(join(root, path), 'utf8');
    for (const [word] of text.matchAll(otherWords)) found.push(`${path}: ${word}`);
  }
  expect(found).toEqual([]);
});
