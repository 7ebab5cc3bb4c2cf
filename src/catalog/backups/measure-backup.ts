import { type Dir, type Dirent, lstatSync, opendirSync } from 'node:fs';
import { join } from 'node:path';
import { nameOf, onDisk } from '../../shared/file-name.ts';
import { forEachBriefly } from '../../shared/for-each-briefly.ts';

const entriesPerRead = 256;

export interface BackupSize {
  /** Bytes of all files. */
  readonly size: number;
  /** Bytes of the files with a single link: what another backup does not share. */
  readonly deduplicatedSize: number;
  /** Symbolic links, those of tablespaces aside. */
  readonly links: number;
}

/** Adds up the files below a folder; links are not followed (docs/reference/catalog.md section 11). */
export async function measureBackup(folder: string): Promise<BackupSize> {
  const total = { size: 0, deduplicatedSize: 0, links: 0 };
  await forEachBriefly(filesBelow(folder), ({ path }) => {
    const stats = lstatSync(onDisk(path));
    if (stats.isSymbolicLink()) {
      if (!path.startsWith(join(folder, 'data', 'pg_tblspc/'))) total.links++;
      return;
    }
    const { size, nlink } = stats;
    total.size += size;
    if (nlink === 1) total.deduplicatedSize += size;
  });
  return total;
}

interface BackupFile {
  readonly path: string;
  /** A symbolic link. */
  readonly isLink: boolean;
}

/** Files and links below a folder, one after the other, so that their number is no matter; no link is followed. */
export function* filesBelow(folder: string): Generator<BackupFile> {
  const entries = openInBytes(folder);
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      const path = join(folder, nameOf(entry.name));
      if (entry.isDirectory()) yield* filesBelow(path);
      else if (entry.isFile() || entry.isSymbolicLink()) yield { path, isLink: entry.isSymbolicLink() };
    }
  } finally {
    entries.closeSync();
  }
}

/** Node's types know this encoding only for a folder that is read whole. */
function openInBytes(folder: string): Omit<Dir, 'readSync'> & { readSync(): Dirent<Buffer> | null } {
  const options = { bufferSize: entriesPerRead, encoding: 'buffer' as BufferEncoding };
  return opendirSync(onDisk(folder), options) as unknown as ReturnType<typeof openInBytes>;
}
