import { join } from 'node:path';
import type { ObjectStore } from '../../storage/object-store.ts';
import { openStore } from '../../storage/open-store.ts';
import { hashFolderOf, hex8, parseSegmentName, type SegmentName, type WalName } from '../../wal/wal-name.ts';
import type { ServerLayout } from '../server-layout.ts';

/** WAL files that lie in one folder of the archive. */
export interface ArchivedFolder {
  /** Empty for histories, which lie in the archive itself. */
  readonly folder: string;
  /** All names that are there, whatever they are, in order. */
  readonly names: readonly string[];
}

/**
 * The archived WAL of one server: `wals/<16 digits>/NAME`, and histories in `wals` itself (docs/reference/catalog.md section 1.4). What it
 * holds is listed in the index, which is a file of its own. To open one costs nothing.
 */
export class WalArchive {
  readonly #store: ObjectStore;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Where it is, for people. */
  get location(): string {
    return this.#store.location;
  }

  /** Whether a file is archived under a name. @throws OperatorError `file-unreadable` when that cannot be told */
  async has(name: WalName): Promise<boolean> {
    return (await this.#store.stat(archivedWalKey(name))) !== undefined;
  }

  /** Bytes of what is archived under a name; undefined where nothing is. @throws OperatorError `file-unreadable` */
  async sizeOf(name: WalName): Promise<number | undefined> {
    return (await this.#store.stat(archivedWalKey(name)))?.size;
  }

  /** Where a file lies or would lie on this host, whatever its compression: the name never changes. */
  pathOf(name: WalName): string {
    return this.#store.localPath(archivedWalKey(name)) ?? noPath(this.location);
  }

  /** Those that are not there, in their order; each folder is read once, as the names come to it. */
  async missing<Name extends WalName>(names: Iterable<Name>): Promise<Name[]> {
    const missing: Name[] = [];
    let folder: string | undefined;
    let present: ReadonlySet<string> = new Set();
    for (const name of names) {
      const [here, file] = splitKey(archivedWalKey(name));
      if (here !== folder) present = new Set(await this.#store.list(here));
      folder = here;
      if (!present.has(file)) missing.push(name);
    }
    return missing;
  }

  /** The greatest complete segment, of one timeline or of all, from the files themselves. */
  async newestSegment(timeline?: number): Promise<SegmentName | undefined> {
    const prefix = timeline === undefined ? '' : hex8(timeline);
    const folders = (await this.#folders()).filter((name) => name.startsWith(prefix));
    for (const folder of folders.toReversed()) {
      const segments = (await this.#store.list(folder)).flatMap((name) => parseSegmentName(name) ?? []);
      const newest = segments.toSorted().at(-1);
      if (newest !== undefined) return newest;
    }
    return undefined;
  }

  /** Path of the greatest folder of segments on this host. */
  async newestFolder(): Promise<string | undefined> {
    const newest = (await this.#folders()).at(-1);
    return newest === undefined ? undefined : this.#store.localPath(newest);
  }

  /** Folders of segments with what is in them, in order, from one on. */
  async *foldersFrom(first = ''): AsyncGenerator<ArchivedFolder> {
    for (const folder of await this.#folders()) {
      if (folder >= first) yield { folder, names: (await this.#store.list(folder)).toSorted() };
    }
  }

  /** Where a file for the archive is best made; see {@link ObjectStore.stagingPath}. */
  async stagingPath(name: WalName, suffix: string): Promise<string> {
    return await this.#store.stagingPath(archivedWalKey(name), suffix);
  }

  /** Moves files in, durably; the index is the caller's matter, and its lock is his. A file that is there under a name is replaced. */
  async adopt(files: readonly { readonly from: string; readonly name: WalName }[]): Promise<void> {
    await this.#store.adopt(files.map(({ from, name }) => ({ from, key: archivedWalKey(name) })));
  }

  /** Removes the files of entries, one after the other; the index is the caller's matter. */
  async remove<Entry extends { readonly name: WalName }>(
    entries: readonly Entry[],
    hooks?: WalRemovalHooks<Entry>,
  ): Promise<void> {
    const tell = (step: 'before' | 'after') => async (at: number) => {
      const entry = entries[at];
      if (entry !== undefined) await hooks?.[step](entry, this.pathOf(entry.name));
    };
    const watch = hooks === undefined ? undefined : { before: tell('before'), after: tell('after') };
    await this.#store.remove(keysOf(entries), watch);
  }

  /** Makes it ready to take files, where nobody has. */
  async prepare(): Promise<void> {
    await this.#store.probe();
  }

  /** Names of folders that hold segments, in order. */
  async #folders(): Promise<readonly string[]> {
    return (await this.#store.list('')).filter(isWalFolder).toSorted();
  }
}

/** Callbacks around the removal of each file: the wal_delete hooks. */
export interface WalRemovalHooks<Entry> {
  before(entry: Entry, path: string): Promise<void>;
  after(entry: Entry, path: string): Promise<void>;
}

/** The archive of a server. */
export function walArchiveOf({ wals }: Pick<ServerLayout, 'wals'>): WalArchive {
  return new WalArchive(openStore(wals));
}

/** Where a WAL file lies below the archive, whatever its compression: the name never changes (docs/reference/catalog.md section 1.4). */
function archivedWalKey(name: WalName): string {
  return join(hashFolderOf(name), name);
}

/** Whether a folder of the archive is one for segments. */
function isWalFolder(name: string): boolean {
  return /^[0-9A-F]{16}$/.test(name);
}

/** One by one: there may be a million. */
function* keysOf(entries: readonly { readonly name: WalName }[]): Generator<string> {
  for (const { name } of entries) yield archivedWalKey(name);
}

function splitKey(key: string): readonly [folder: string, file: string] {
  const slash = key.lastIndexOf('/');
  return slash === -1 ? ['', key] : [key.slice(0, slash), key.slice(slash + 1)];
}

function noPath(location: string): never {
  throw new Error(`${location} is not on this host`);
}
