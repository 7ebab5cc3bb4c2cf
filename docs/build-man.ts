// Renders docs/man/*.md to manual pages: npm run man [-- FOLDER], in dist/man unless another folder is named.
import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { forEachConcurrently } from '../src/shared/for-each-concurrently.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = join(root, 'docs', 'man');
const target = process.argv[2] ?? join(root, 'dist', 'man');
const env = { ...process.env, SOURCE_DATE_EPOCH: process.env['SOURCE_DATE_EPOCH'] ?? '1795000000' };

await mkdir(target, { recursive: true });
const render = async (name: string): Promise<void> => {
  const argv = ['--no-breaks', '--manual', 'pgcellar manual', join(source, name)];
  const { stdout } = await promisify(execFile)(join(root, 'node_modules', '.bin', 'marked-man'), argv, { env });
  await writeFile(join(target, name.replace(/\.md$/, '')), tidy(stdout));
};
await forEachConcurrently(
  (await readdir(source)).filter((file) => file.endsWith('.md')),
  availableParallelism(),
  render,
);

/** A paragraph right after a heading is one too many for mandoc, and its dates have days. */
function tidy(roff: string): string {
  const date = new Date(Number(env.SOURCE_DATE_EPOCH) * 1000).toISOString().slice(0, 10);
  return roff.replaceAll(/^(\.SH .*\n)\.P\n?$/gm, '$1').replace(/^(\.TH "[^"]*" "\d" )"[^"]*"/m, `$1"${date}"`);
}
