import { lstat, open, opendir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../shared/durable-file.ts';
import { forEachAtOnce } from '../shared/for-each-at-once.ts';

const filesAtOnce = 8;

export interface BackupSize {
  /** Bytes of all files. */
  readonly size: number;
  /** Bytes of the files with a single link: what another backup does not share. */
  readonly deduplicatedSize: number;
}

/** Adds up the files below a folder; links are not followed (catalog.md section 11). */
export async function measureBackup(folder: string): Promise<BackupSize> {
  const total = { size: 0, deduplicatedSize: 0 };
  await forEachAtOnce(filesBelow(folder), filesAtOnce, async (path) => {
    const { size, nlink } = await lstat(path);
    total.size += size;
    if (nlink === 1) total.deduplicatedSize += size;
  });
  return total;
}

/** One after the other, so that their number is no matter. */
async function* filesBelow(folder: string): AsyncGenerator<string> {
  for await (const entry of await opendir(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/** Makes the folder itself and its way up to the base folder survive a power cut; what is in `data` was synced by who wrote it. */
export async function syncBackupFolders(base: string, folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncFolder(path);
    else if (entry.isFile()) await syncOne(path);
  }
  await syncFolder(folder);
  await syncFolder(base);
}

async function syncOne(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}
