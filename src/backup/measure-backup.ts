import { lstatSync, opendirSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../shared/durable-file.ts';
import { forEachBriefly } from '../shared/for-each-briefly.ts';

const entriesAtOnce = 256;

export interface BackupSize {
  /** Bytes of all files. */
  readonly size: number;
  /** Bytes of the files with a single link: what another backup does not share. */
  readonly deduplicatedSize: number;
}

/** Adds up the files below a folder; links are not followed (catalog.md section 11). */
export async function measureBackup(folder: string): Promise<BackupSize> {
  const total = { size: 0, deduplicatedSize: 0 };
  await forEachBriefly(filesBelow(folder), (path) => {
    const { size, nlink } = lstatSync(path);
    total.size += size;
    if (nlink === 1) total.deduplicatedSize += size;
  });
  return total;
}

/** One after the other, so that their number is no matter. */
function* filesBelow(folder: string): Generator<string> {
  const entries = opendirSync(folder, { bufferSize: entriesAtOnce });
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) yield* filesBelow(path);
      else if (entry.isFile()) yield path;
    }
  } finally {
    entries.closeSync();
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
