import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { onDisk } from './file-name.ts';
import { systemCodeOf } from './operator-error.ts';

interface WriteOptions {
  /** Permission bits before umask; when left out 0o666, and 0o777 for a folder. */
  readonly mode?: number;
}

/**
 * Replaces or creates `path` so that after a crash either the old or the new content is there: temporary name in the same
 * folder, fsync, rename, fsync of the folder. Missing parent folders are made. The temporary name begins with a dot and ends
 * in `.tmp`, which no reader of a catalog looks at.
 */
export async function writeFileDurably(
  path: string,
  content: string | Uint8Array | AsyncIterable<string>,
  options: WriteOptions = {},
): Promise<void> {
  const folder = dirname(path);
  await makeFolderDurably(folder);
  const temporary = join(folder, `.${basename(path)}.${randomBytes(4).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx', options.mode ?? 0o666);
    try {
      await file.writeFile(content as string); // Node takes all of them, its types do not say so
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Makes renames and unlinks in `path` survive a power cut; file systems that cannot sync a folder say EINVAL, which is taken. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(onDisk(path), 'r');
  try {
    await folder.sync();
  } catch (error) {
    if (systemCodeOf(error) !== 'EINVAL') throw error;
  } finally {
    await folder.close();
  }
}

/** Makes a folder with all that are missing above it, so that they survive a power cut. Every folder of a catalog is made here. */
export async function makeFolderDurably(path: string, { mode = 0o777 }: WriteOptions = {}): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
}

/** Makes the content of the file at `path` survive a power cut. */
export async function syncFile(path: string): Promise<void> {
  await using file = await openForSync(path);
  await file.sync();
}

/** Removes a file durably; nothing happens when it is missing already. */
export async function removeFileDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}

async function openForSync(path: string): Promise<FileHandle> {
  return await open(onDisk(path), 'r');
}

/**
 * Replaces or creates a file that can be made again from others, and that carries a checksum: nothing waits for the disk. What a kill
 * leaves under the temporary name is overwritten by the next time.
 */
export async function writeDerivedFile(path: string, content: string | Uint8Array | readonly Uint8Array[]): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.tmp`);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(temporary, content);
  await rename(temporary, path);
}
