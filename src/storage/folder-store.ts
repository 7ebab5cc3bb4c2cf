import { randomBytes } from 'node:crypto';
import { copyFile, cp, open, rename, rm, rmdir, stat, unlink, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeFolderDurably, syncFile, syncFolder, writeFileDurably } from '../shared/durable-file.ts';
import { onDisk } from '../shared/file-name.ts';
import { isMissing, namesIn, sizeAndTime, unreadable } from '../shared/look.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
import { renameNew } from '../shared/rename-new.ts';
import type { AdoptedFile, ObjectFacts, ObjectStore, RemovalWatch } from './object-store.ts';

/** Objects as files of a folder on this host: a key is a path below it. */
export class FolderStore implements ObjectStore {
  readonly location: string;

  constructor(folder: string) {
    this.location = folder;
  }

  async list(key: string): Promise<readonly string[]> {
    return await namesIn(this.localPath(key));
  }

  async stat(key: string): Promise<ObjectFacts | undefined> {
    const path = this.localPath(key);
    try {
      const { size, time } = await sizeAndTime(path);
      return { size, time };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw unreadable(path, error);
    }
  }

  async read(key: string, { start, length }: { readonly start: number; readonly length: number }): Promise<Buffer> {
    await using file = await open(onDisk(this.localPath(key)), 'r');
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, start);
    return buffer.subarray(0, bytesRead);
  }

  async put(key: string, content: string | Uint8Array, { onlyIfAbsent = false } = {}): Promise<boolean> {
    if (!onlyIfAbsent) {
      await writeFileDurably(this.localPath(key), content);
      return true;
    }
    const staged = await this.stagingPath(key, `.${randomBytes(4).toString('hex')}.tmp`);
    await writeFileDurably(staged, content);
    const isNew = await renameNew(staged, this.localPath(key));
    if (!isNew) await rm(onDisk(staged), { force: true });
    await syncFolder(dirname(staged));
    return isNew;
  }

  async stagingPath(key: string, suffix: string): Promise<string> {
    const path = this.localPath(key);
    await makeFolderDurably(dirname(path));
    return `${path}${suffix}`;
  }

  async adopt(files: readonly AdoptedFile[]): Promise<void> {
    const folders = new Set<string>();
    for (const { from, key } of files) {
      const path = this.localPath(key);
      const folder = dirname(path);
      if (!folders.has(folder)) await makeFolderDurably(folder);
      folders.add(folder);
      await moveInto(from, path);
    }
    for (const folder of folders) await syncFolder(folder);
    if (folders.size > 0 && !folders.has(this.location)) await syncFolder(this.location);
  }

  /** Folders that are left empty go, too. */
  async remove(keys: Iterable<string>, watch?: RemovalWatch): Promise<void> {
    const folders = new Set<string>();
    let at = 0;
    for (const key of keys) {
      const path = this.localPath(key);
      await watch?.before(at);
      await removeAt(path);
      folders.add(dirname(path));
      await watch?.after(at++);
    }
    for (const folder of folders) await this.#removeIfEmpty(folder);
    if (folders.size > 0) await syncIfThere(this.location);
  }

  localPath(key: string): string {
    return key === '' ? this.location : join(this.location, key);
  }

  async probe(): Promise<void> {
    await makeFolderDurably(this.location);
  }

  async #removeIfEmpty(folder: string): Promise<void> {
    if (folder === this.location) return;
    try {
      await rmdir(onDisk(folder));
    } catch (error) {
      // gone already, or there is something in it, which may have come just now
      if (!['ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) throw error;
      await syncIfThere(folder);
    }
  }
}

/** A rename; from another file system a whole, synced copy gets the name before the source goes. */
async function moveInto(from: string, path: string): Promise<void> {
  try {
    await rename(onDisk(from), onDisk(path));
    return;
  } catch (error) {
    if (systemCodeOf(error) !== 'EXDEV') throw error;
  }
  const temporary = join(dirname(path), `.${basename(path)}.tmp`);
  const found = await stat(onDisk(from));
  if (found.isFile()) {
    await copyFile(onDisk(from), onDisk(temporary));
    await utimes(onDisk(temporary), found.atime, found.mtime);
    await syncFile(temporary);
  } else await cp(from, temporary, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  await rename(onDisk(temporary), onDisk(path));
  await rm(onDisk(from), { recursive: true, force: true });
}

/** Of a file that is one call. */
async function removeAt(path: string): Promise<void> {
  try {
    await unlink(onDisk(path));
  } catch (error) {
    if (isMissing(error)) return;
    if (!['EISDIR', 'EPERM'].includes(systemCodeOf(error) ?? '')) throw error;
    await rm(onDisk(path), { recursive: true, force: true });
  }
}

async function syncIfThere(folder: string): Promise<void> {
  try {
    await syncFolder(folder);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
