import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestHome } from './test-home.ts';

/** Names in the WAL index of a server, in the order of its lines. */
export async function indexedWals(home: TestHome, server = 'main', wals = home.server(server, 'wals')): Promise<string[]> {
  const text = await readFile(join(wals, `${server}-xlog.db`), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0] ?? '');
}

/** Names of all files that lie in the folders of the archive, sorted; none before the first. What a crash left under another name is among them. */
export async function archivedWals(home: TestHome, server = 'main'): Promise<string[]> {
  const wals = home.server(server, 'wals');
  const folders = (await namesIn(wals)).filter((name) => /^[0-9A-F]{16}$/.test(name));
  const names = await Promise.all(folders.map(async (name) => await readdir(join(wals, name))));
  return names.flat().toSorted();
}

/** Names in a folder, sorted; none when it is not there. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Every segment of 16 MiB from `first` to `last`, both on one timeline. */
export function segmentsBetween(first: string, last: string): string[] {
  const timeline = first.slice(0, 8);
  const [begin, end] = [first, last].map((name) => BigInt(`0x${name.slice(8, 16)}`) * 256n + BigInt(`0x${name.slice(16)}`));
  const names: string[] = [];
  for (let index = begin ?? 0n; index <= (end ?? -1n); index++) {
    const [log, segment] = [index / 256n, index % 256n].map((part) => part.toString(16).toUpperCase().padStart(8, '0'));
    names.push(`${timeline}${log ?? ''}${segment ?? ''}`);
  }
  return names;
}
