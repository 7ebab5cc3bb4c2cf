import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../shared/durable-file.ts';

export interface BackupSize {
  /** Bytes of all files. */
  readonly size: number;
  /** Bytes of the files with a single link: what another backup does not share. */
  readonly deduplicatedSize: number;
}

/** Adds up the files below a folder; links are not followed (catalog.md section 11). */
export async function measureBackup(folder: string): Promise<BackupSize> {
  const total = { size: 0, deduplicatedSize: 0 };
  await addFolder(folder, total);
  return total;
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

async function addFolder(folder: string, total: { size: number; deduplicatedSize: number }): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true });
  await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        await addFolder(path, total);
        return;
      }
      if (!entry.isFile()) return;
      const { size, nlink } = await lstat(path);
      total.size += size;
      if (nlink === 1) total.deduplicatedSize += size;
    }),
  );
}

async function syncOne(path: string): Promise<void> {
  await using file = await open(path, 'r');
  await file.sync();
}
