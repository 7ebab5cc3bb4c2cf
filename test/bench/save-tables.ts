import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const path = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));

/** Puts the tables of one subject into docs/performance.md, between the marks that name it. */
export async function saveTables(subject: string, tables: string): Promise<void> {
  const [begin, end] = [`<!-- bench ${subject} -->`, `<!-- end of ${subject} -->`];
  const text = await readFile(path, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to < from) throw new Error(`${path} has no place for ${subject}: write ${begin} and ${end} into it`);
  await writeFile(path, `${text.slice(0, from + begin.length)}\n${tables.trimEnd()}\n${text.slice(to)}`);
}
