import { lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMissing, pathExists } from './look.ts';

/** A folder that goes when it is disposed. */
export interface ScratchFolder extends AsyncDisposable {
  readonly path: string;
}

/**
 * Makes a folder for what is needed only while we run, where temporary files of this host lie. Its name has our process id, so that the
 * next one for the same purpose removes what a killed process left.
 * @param purpose a word for its name
 */
export async function makeScratchFolder(purpose: string): Promise<ScratchFolder> {
  const prefix = `pgcellar-${purpose}-`;
  const path = await mkdtemp(join(tmpdir(), `${prefix}${String(process.pid)}-`));
  await removeLeftovers(prefix, await lstat(path));
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }) };
}

async function removeLeftovers(prefix: string, { uid }: { readonly uid: number }): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = name.startsWith(prefix) ? /^(\d+)-\w{6}$/.exec(name.slice(prefix.length))?.[1] : undefined;
    if (pid === undefined || (await pathExists(`/proc/${pid}`))) continue;
    const path = join(tmpdir(), name);
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
