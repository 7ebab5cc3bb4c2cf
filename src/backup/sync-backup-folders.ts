import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../shared/durable-file.ts';

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
