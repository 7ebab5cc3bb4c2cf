import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from './is-alive.ts';
import { isMissing } from './look.ts';

/** A folder that goes when it is disposed. */
export interface ScratchFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes a folder of mode 0700 for what is needed only while we run. Its name has our process id, so that the next one for the same purpose
 * removes what a killed process left.
 * @param purpose a word for its name
 * @param parent where temporary files of this host lie, unless another place is named
 */
export async function makeScratchFolder(purpose: string, parent: string = tmpdir()): Promise<ScratchFolder> {
  const prefix = `pgcellar-${purpose}-`;
  const path = await mkdtemp(join(parent, `${prefix}${String(process.pid)}-`));
  await removeLeftovers(parent, prefix, await lstat(path));
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }) };
}

async function removeLeftovers(parent: string, prefix: string, { uid }: { readonly uid: number }): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = name.startsWith(prefix) ? /^(\d+)-\w{6}$/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (pid === undefined || isAlive(Number(pid))) continue;
    const path = join(parent, name);
    if (await isFolderOf(path, uid)) await rm(path, { recursive: true, force: true });
  }
}

async function isFolderOf(path: string, uid: number): Promise<boolean> {
  try {
    const found = await lstat(path);
    return found.isDirectory() && found.uid === uid;
  } catch (error) {
    if (isMissing(error)) return false; // another process of ours was quicker
    throw error;
  }
}
