import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isHeldByOwner, tryLockFile } from '../shared/file-lock.ts';
import { forEachConcurrently } from '../shared/for-each-concurrently.ts';
import { systemCodeOf } from '../shared/operator-error.ts';

const concurrentCleanings = 8;

/** Removes lock files that nobody holds, each while we hold it; who opened it just before looks again (docs/reference/catalog.md section 12). */
export async function cleanLockFolder(folder: string): Promise<void> {
  await forEachConcurrently(await lockNames(folder), concurrentCleanings, async (name) => {
    const path = join(folder, name);
    if (await isHeldByOwner(path)) return;
    await using lock = await tryLockFile(path);
    if (lock !== undefined) await rm(path, { force: true });
  });
}

async function lockNames(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /^\..*\.lock$/.test(name));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  }
}
