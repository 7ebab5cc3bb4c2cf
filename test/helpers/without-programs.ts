// A PATH of a host that lacks some programs: links to all that the usual folders have, but for those.
import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';

const usualFolders = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** Fills an empty folder, which is the whole PATH then. */
export async function linkProgramsWithout(folder: string, missing: readonly string[]): Promise<string> {
  const targets = new Map<string, string>([['node', process.execPath]]);
  for (const from of usualFolders) {
    for (const name of await readdir(from)) {
      if (!targets.has(name) && !missing.includes(name)) targets.set(name, join(from, name));
    }
  }
  await Promise.all([...targets].map(([name, target]) => symlink(target, join(folder, name))));
  return folder;
}
