import { lstat } from 'node:fs/promises';
import { posix } from 'node:path';
import type { WalStorage } from '../../encryption/stored-wal.ts';
import { type ConfigurationFolder, includedFiles } from '../recovery/included-files.ts';
import type { FoundFile } from '../recovery/mangle-configuration.ts';
import { type SourceMember, tablespaceOids } from './backup-source.ts';
import { combinedSizeIn, textOf } from './combined-size.ts';
import { wholeName } from './incremental-size.ts';
import { type ManifestSizes, readManifest } from './read-manifest.ts';
import { requireShort } from './read-plain-content.ts';
import { readTar, type TarMember } from './read-tar.ts';
import { emptiedFolders, leftOutFiles } from './restored-files.ts';
import type { SourceContent, TreeSize, WantedContent } from './source-content.ts';
import { findTarFiles, type TarFiles } from './tar-files.ts';

/** Reads packed backups: manifests say what is in them where there are any, tar files what is not in a manifest. */
export class PackedContent {
  readonly #storage: WalStorage;
  readonly #names: readonly string[];
  readonly #dataFolder: string;

  constructor(storage: WalStorage, { names, dataFolder }: Pick<WantedContent, 'names' | 'dataFolder'>) {
    this.#storage = storage;
    this.#names = names;
    this.#dataFolder = dataFolder;
  }

  /** Measures the newest of them as it comes out of the chain. */
  async read(members: readonly SourceMember[], leaf: SourceMember): Promise<PackedFacts> {
    const tars = await findTarFiles(leaf);
    const isCounted = leaf.backup.parentBackupId !== null && (await isQuicklyRead(tars));
    const configuration = new Map<string, FoundFile>();
    const combined = new Map<string, number>();
    const others = new SmallFiles();
    const looking = { configuration, others, combined: isCounted ? combined : undefined };
    const { isWhole, hasLabel } = await this.#readMembers(tars.data, '', looking);
    for (const name of this.#names) if (!configuration.has(name)) configuration.set(name, { kind: 'missing' });
    if (isCounted) {
      for (const [oid, archive] of tars.tablespaces) {
        await this.#readMembers(archive, `pg_tblspc/${String(oid)}/`, {
          configuration: undefined,
          others: undefined,
          combined,
        });
      }
    }
    const manifests = await Promise.all(members.map(readManifest));
    const own = manifests.at(-1) ?? (await this.#countMembers(tars));
    const sizes = restoredSizes(own, manifests, combined);
    const isElsewhere = (path: string): boolean =>
      tablespaceOids(leaf).some((oid) => path.startsWith(`pg_tblspc/${String(oid)}/`));
    const data = sumOf(sizes, (path) => !isElsewhere(path) && !isLeftOut(path));
    const tablespaces = new Map(
      tablespaceOids(leaf).map((oid) => [oid, sumOf(sizes, (path) => path.startsWith(`pg_tblspc/${String(oid)}/`))]),
    );
    const readAll = async (): Promise<void> => {
      await this.#readMembers(tars.data, '', { configuration: undefined, others, combined: undefined });
    };
    const folder = others.among(configuration, manifests.at(-1), isWhole ? undefined : readAll);
    return { data, tablespaces, configuration, included: await includedFiles(folder, this.#dataFolder), hasLabel };
  }

  /** One pass over a tar file, which ends as soon as everything was found that is looked for. */
  async #readMembers(archive: string, prefix: string, { configuration, others, combined }: Looking): Promise<Seen> {
    let isWhole = true;
    let hasLabel = false;
    await readTar(archive, this.#storage, async ({ path, kind, mode, size }, content) => {
      // streamx readables give buffers
      const chunks = content as AsyncIterable<Buffer>;
      hasLabel ||= path === 'backup_label' && kind === 'file' && size > 0;
      if (configuration !== undefined && this.#names.includes(path)) {
        requireShort(`${archive}: ${path}`, size);
        if (kind === 'file') configuration.set(path, { kind: 'file', text: await textOf(chunks), mode });
        else configuration.set(path, { kind: kind === 'link' ? 'link' : 'other' });
      } else {
        const whole = combined !== undefined && kind === 'file' ? await combinedSizeIn(`${prefix}${path}`, chunks) : undefined;
        if (whole !== undefined) combined?.set(`${prefix}${path}`, whole);
        else await others?.take({ path, kind, mode, size }, chunks);
      }
      const hasAll = hasLabel && configuration !== undefined && configuration.size === this.#names.length;
      if (!hasAll || combined !== undefined) return undefined;
      isWhole = false;
      return 'stop';
    });
    return { isWhole, hasLabel };
  }

  /** Before PostgreSQL 13 there is no manifest. */
  async #countMembers({ data, tablespaces }: TarFiles): Promise<ManifestSizes> {
    const sizes = new Map<string, number>();
    const count = async (archive: string, prefix: string): Promise<void> => {
      await readTar(archive, this.#storage, ({ path, kind, size }) => {
        if (kind === 'file') sizes.set(`${prefix}${path}`, size);
        return Promise.resolve(undefined);
      });
    };
    await count(data, '');
    for (const [oid, archive] of tablespaces) await count(archive, `pg_tblspc/${String(oid)}/`);
    return sizes;
  }
}

/** Whether a pass over a tar file came to its end, and met the label. */
interface Seen {
  readonly isWhole: boolean;
  readonly hasLabel: boolean;
}

/** PostgreSQL's own folders, where no configuration lies. */
const ownFolders = /^(?:base|global|log|pg_(?!conf)[a-z_]+)\//;
const largestConfiguration = 2 ** 20;
const mostConfigurations = 1000;

/** The files that the configuration of a tar file may include: small files that lie elsewhere than PostgreSQL's own, and the folders. */
class SmallFiles {
  readonly #files = new Map<string, FoundFile>();
  readonly #folders = new Set<string>();

  async take({ path, kind, mode, size }: Pick<TarMember, 'path' | 'kind' | 'mode' | 'size'>, content: AsyncIterable<Buffer>) {
    if (ownFolders.test(path)) return;
    if (kind === 'folder') this.#folders.add(path);
    if (kind !== 'file' || size > largestConfiguration || this.#files.size >= mostConfigurations) return;
    this.#files.set(path, { kind: 'file', text: await textOf(content), mode });
  }

  /** With the files that were looked for. @param readAll takes in what was not seen yet; undefined when all was */
  among(
    configuration: ReadonlyMap<string, FoundFile>,
    manifest: ManifestSizes | undefined,
    readAll: (() => Promise<void>) | undefined,
  ): ConfigurationFolder {
    let reading: Promise<void> | undefined;
    const all = async (): Promise<void> => await (reading ??= readAll?.() ?? Promise.resolve());
    const namesBelow = (paths: Iterable<string>, folder: string): string[] =>
      [...paths].flatMap((path) => (posix.dirname(path) === folder ? [posix.basename(path)] : []));
    return {
      read: async (path) => {
        const found = configuration.get(path) ?? this.#files.get(path);
        if (found !== undefined || manifest?.has(path) === false) return found ?? { kind: 'missing' };
        await all();
        return this.#files.get(path) ?? { kind: 'missing' };
      },
      namesIn: async (path) => {
        const listed = manifest === undefined ? [] : namesBelow(manifest.keys(), path);
        if (listed.length > 0) return listed;
        await all();
        const names = namesBelow(this.#files.keys(), path);
        return names.length > 0 || this.#folders.has(path) ? names : undefined;
      },
    };
  }
}

/** The content of a tar file, and whether the label of the backup is part of it. */
interface PackedFacts extends Omit<SourceContent, 'losses'> {
  readonly hasLabel: boolean;
}

/** The parts that a pass over a tar file collects; those that are undefined are not looked for. */
interface Looking {
  readonly configuration: Map<string, FoundFile> | undefined;
  /** Other files that the configuration may include. */
  readonly others: SmallFiles | undefined;
  /** The sizes of files that `pg_combinebackup` changes, by their paths in the manifest. */
  readonly combined: Map<string, number> | undefined;
}

/** Reading more than that for the sake of numbers would take minutes: then they are estimates. */
const mostCountedBytes = 2 ** 30;

async function isQuicklyRead({ data, tablespaces }: TarFiles): Promise<boolean> {
  const sizes = await Promise.all([data, ...tablespaces.values()].map(async (path) => (await lstat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0) <= mostCountedBytes;
}

/**
 * The size of each file of the newest manifest. An incremental one that was not looked into counts as large as the newest whole one before
 * it, more or less.
 */
function restoredSizes(
  own: ManifestSizes,
  manifests: readonly (ManifestSizes | undefined)[],
  combined: ReadonlyMap<string, number>,
): ReadonlyMap<string, TreeSize> {
  const sizes = new Map<string, TreeSize>();
  for (const [path, kept] of own) {
    const whole = wholeName(path);
    const known = combined.get(path);
    if (known !== undefined) sizes.set(whole ?? path, { bytes: known, files: 1, isExact: true });
    else if (whole === undefined)
      sizes.set(path, { bytes: kept, files: 1, isExact: path !== 'backup_label' || manifests.length === 1 });
    else {
      const before = manifests.toReversed().find((manifest) => manifest?.has(whole) === true);
      sizes.set(whole, { bytes: before?.get(whole) ?? kept, files: 1, isExact: false });
    }
  }
  return sizes;
}

function sumOf(sizes: ReadonlyMap<string, TreeSize>, isWanted: (path: string) => boolean): TreeSize {
  let sum: TreeSize = { bytes: 0, files: 0, isExact: true };
  for (const [path, { bytes, files, isExact }] of sizes) {
    if (isWanted(path)) sum = { bytes: sum.bytes + bytes, files: sum.files + files, isExact: sum.isExact && isExact };
  }
  return sum;
}

function isLeftOut(path: string): boolean {
  const [first = ''] = path.split('/');
  return leftOutFiles.has(path) || (emptiedFolders.has(first) && path !== first);
}
