import { copyFile, open, rename, rm, stat, utimes } from 'node:fs/promises';

/**
 * Puts a page in the place of one of a file, durably but for the file's name. A file that other backups share becomes one of this backup
 * alone first.
 * @returns whether it was shared
 */
export async function replacePage(path: string, index: number, page: Uint8Array): Promise<'shared' | 'own'> {
  const { nlink } = await stat(path);
  if (nlink > 1) await unshare(path);
  await using file = await open(path, 'r+');
  await file.write(page, 0, page.length, index * page.length);
  await file.sync();
  return nlink > 1 ? 'shared' : 'own';
}

async function unshare(path: string): Promise<void> {
  const temporary = `${path}.unshared.tmp`;
  try {
    await copyFile(path, temporary);
    const { atime, mtime } = await stat(path);
    await utimes(temporary, atime, mtime);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
