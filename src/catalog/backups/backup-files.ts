import { type Dir, type Dirent, lstatSync, opendirSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolderDurably, syncFile, syncFolder } from '../../shared/durable-file.ts';
import { nameOf, onDisk } from '../../shared/file-name.ts';
import { forEachBriefly } from '../../shared/for-each-briefly.ts';
import { entriesIn } from '../../shared/look.ts';
import type { FolderStore } from '../../storage/folder-store.ts';
import { openStore } from '../../storage/open-store.ts';
import type { ServerLayout } from '../server-layout.ts';
import type { Backup, BackupId } from './backup.ts';

const recordCopy = 'backup.info';
const manifestName = 'backup_manifest';

/**
 * The files of one backup: `data` and one folder per tablespace oid (docs/reference/catalog.md section 1.2). A backup method writes into
 * its folders, which may be there or not. To open them costs nothing.
 */
export class BackupFiles {
  readonly #store: FolderStore;
  readonly #id: BackupId;

  constructor(store: FolderStore, id: BackupId) {
    this.#store = store;
    this.#id = id;
  }

  /** The folder with all of it. */
  get folder(): string {
    return this.#store.localPath(this.#id);
  }

  /** Folder of the data directory, or of the tar files. */
  get dataFolder(): string {
    return this.pathOf('data');
  }

  tablespaceFolder(oid: number): string {
    return this.pathOf(String(oid));
  }

  get manifestPath(): string {
    return join(this.dataFolder, manifestName);
  }

  /** The copy of the record that older releases had alone, and that repmgr fetches (docs/reference/repmgr-contract.md). */
  get recordCopyPath(): string {
    return this.pathOf(recordCopy);
  }

  /** @param member `data`, an oid or what lies beside them */
  pathOf(member: string): string {
    return join(this.folder, member);
  }

  async exists(): Promise<boolean> {
    return (await this.#store.stat(this.#id)) !== undefined;
  }

  async hasManifest(): Promise<boolean> {
    return (await this.#store.stat(`${this.#id}/data/${manifestName}`)) !== undefined;
  }

  /** Names directly below the folder; none when it is not there. */
  async members(): Promise<readonly string[]> {
    return await this.#store.list(this.#id);
  }

  /** Makes the folder for all of it. */
  async make(): Promise<void> {
    await makeFolderDurably(this.folder);
  }

  /** An empty folder of mode 0700 for a backup method to write into, whatever was there. @returns its path */
  async makeEmpty(member: string): Promise<string> {
    const path = this.pathOf(member);
    await rm(path, { recursive: true, force: true });
    await mkdir(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** Makes the folders and their way up survive a power cut; what is in `data` and the tablespaces was synced by who wrote it. */
  async sync(): Promise<void> {
    for (const entry of await entriesIn(this.folder)) {
      const path = join(this.folder, entry.name);
      if (entry.isDirectory()) await syncFolder(path);
      else if (entry.isFile()) await syncFile(path);
    }
    await syncFolder(this.folder);
    await syncFolder(this.#store.location);
  }

  /** Takes a whole folder of this file system as the files of the backup. */
  async adopt(folder: string): Promise<void> {
    await this.#store.adopt([{ from: folder, key: this.#id }]);
  }

  /** Everything but the copy of the record: tablespaces, then data. */
  async removeContent(): Promise<void> {
    const members = (await this.members()).filter((name) => name !== recordCopy).toSorted();
    for (const name of members) await rm(this.pathOf(name), { recursive: true, force: true });
  }

  /** All of it, durably. */
  async remove(): Promise<void> {
    await this.#store.remove([this.#id]);
  }
}

/** The files of one backup of a server. */
export function backupFilesOf({ base }: Pick<ServerLayout, 'base'>, id: BackupId): BackupFiles {
  return new BackupFiles(openStore(base), id);
}

/** Where the files of all backups are, for people. */
export function backupsLocation({ base }: Pick<ServerLayout, 'base'>): string {
  return base;
}

/** Begins the names of folders that a backup is put together in: no backup id begins so. */
const stagingPrefix = '.import-';

/** A new folder beside the backups, on their file system, to put one together in. */
export async function makeBackupStaging({ base }: Pick<ServerLayout, 'base'>): Promise<string> {
  await openStore(base).probe();
  return await mkdtemp(join(base, stagingPrefix));
}

/** Those that are there now: whoever holds the lock of backups made none of them. */
export async function backupStagings({ base }: Pick<ServerLayout, 'base'>): Promise<readonly string[]> {
  const names = await openStore(base).list('');
  return names.filter((name) => name.startsWith(stagingPrefix)).map((name) => join(base, name));
}

/** Whether a backup's record is there and its files are not (docs/reference/catalog.md section 5.6, "orphan"). */
export async function isOrphan(layout: ServerLayout, backup: Backup): Promise<boolean> {
  if (backup.status === 'EMPTY') return false;
  const folder = backupFilesOf(layout, backup.id).folder;
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return true;
  if (found.isDirectory() && found.nlink > 2) return false; // most file systems count a folder's folders there: it need not be opened
  const names = await readdir(folder);
  return names.every((name) => name === 'backup.info');
}

const entriesPerRead = 256;

interface BackupSize {
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
