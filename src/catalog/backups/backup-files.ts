import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolderDurably, syncFile, syncFolder } from '../../shared/durable-file.ts';
import { entriesIn } from '../../shared/look.ts';
import { FolderStore } from '../../storage/folder-store.ts';
import type { ServerLayout } from '../server-layout.ts';
import type { BackupId } from './backup.ts';

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
  return new BackupFiles(new FolderStore(base), id);
}

/** Where the files of all backups are, for people. */
export function backupsLocation({ base }: Pick<ServerLayout, 'base'>): string {
  return base;
}

/** Begins the names of folders that a backup is put together in: no backup id begins so. */
const stagingPrefix = '.import-';

/** A new folder beside the backups, on their file system, to put one together in. */
export async function makeBackupStaging({ base }: Pick<ServerLayout, 'base'>): Promise<string> {
  await new FolderStore(base).probe();
  return await mkdtemp(join(base, stagingPrefix));
}

/** Those that are there now: whoever holds the lock of backups made none of them. */
export async function backupStagings({ base }: Pick<ServerLayout, 'base'>): Promise<readonly string[]> {
  const names = await new FolderStore(base).list('');
  return names.filter((name) => name.startsWith(stagingPrefix)).map((name) => join(base, name));
}
