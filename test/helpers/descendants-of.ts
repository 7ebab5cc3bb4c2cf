import { readFile } from 'node:fs/promises';

/** The processes that one has started, and those that they have. */
export async function descendantsOf(pid: number): Promise<number[]> {
  const children = (await readFile(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8').catch(() => ''))
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
  const below = await Promise.all(children.map(descendantsOf));
  return [...children, ...below.flat()];
}
