import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WalStorage } from '../encryption/stored-wal.ts';
import { isMissing } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { type BackupSource, dataFolder, type SourceMember, tablespaceFolder } from './backup-source.ts';
import { incrementalSize, incrementalSizeOf, wholeName } from './incremental-size.ts';
import type { FoundFile } from './mangle-configuration.ts';
import { type ManifestSizes, readManifest } from './read-manifest.ts';
import { readTar } from './read-tar.ts';
import { controlFile, emptiedFolders, leftOutFiles } from './restored-files.ts';
import { findTarFiles, type TarFiles } from './tar-files.ts';
import { walkTree } from './walk-tree.ts';

/** What a tree comes to in the restored server. */
interface TreeSize {
  readonly bytes: number;
  readonly files: number;
  /** False when it can only be known by unpacking. */
  readonly isExact: boolean;
  /** Of each file by its path, where that was asked for and can be known. */
  readonly sizes?: ReadonlyMap<string, number>;
}

/** What is in a backup, read without writing anything. */
export interface SourceContent {
  readonly data: TreeSize;
  /** By oid. */
  readonly tablespaces: ReadonlyMap<number, TreeSize>;
  /** Configuration files that were asked for. */
  readonly configuration: ReadonlyMap<string, FoundFile>;
}

/** Reads what is in backups, each once. */
export class SourceReader {
  readonly #storage: WalStorage;
  readonly #names: readonly string[];
  readonly #keepsSizes: boolean;
  readonly #contents = new Map<string, Promise<SourceContent>>();

  /** @param wanted configuration files that will be asked for, and whether the size of each single file will */
  constructor(storage: WalStorage, wanted: { readonly names: readonly string[]; readonly keepsSizes: boolean }) {
    this.#storage = storage;
    this.#names = wanted.names;
    this.#keepsSizes = wanted.keepsSizes;
  }

  /**
   * Measures the trees of a backup and reads its configuration.
   * @throws OperatorError `backup-not-usable` when files of the backup are missing or damaged, `decryption-failed`
   */
  async read(source: BackupSource): Promise<SourceContent> {
    const { id } = source.leaf.backup;
    const known = this.#contents.get(id);
    if (known !== undefined) return await known;
    const reading = this.#readContent(source);
    this.#contents.set(id, reading);
    return await reading;
  }

  /**
   * Opens the tar file of a member: a program, a passphrase or a key that reading it needs is asked for now.
   * @throws OperatorError `program-missing`, `decryption-failed` or `backup-not-usable`
   */
  async requireReadable(member: SourceMember): Promise<void> {
    const { data } = await findTarFiles(member);
    await readTar(data, this.#storage, () => Promise.resolve('stop'));
  }

  async #readContent({ members, leaf }: BackupSource): Promise<SourceContent> {
    for (const member of members) await requireComplete(member);
    if (leaf.form === 'plain') return await this.#readPlain(leaf);
    return await this.#readPacked(members, leaf);
  }

  async #readPlain(leaf: SourceMember): Promise<SourceContent> {
    const oids = oidsOf(leaf);
    const isIncremental = leaf.backup.parentBackupId !== null;
    const how = { sizeOf: isIncremental ? combinedSize : plainSize, keepsSizes: this.#keepsSizes && !isIncremental };
    const data = await measure({ source: dataFolder(leaf), isDataFolder: true, knownOids: new Set(oids.map(String)) }, how);
    const control = await lstat(join(dataFolder(leaf), controlFile));
    const tablespaces = new Map<number, TreeSize>();
    for (const oid of oids) {
      tablespaces.set(oid, await measure({ source: tablespaceFolder(leaf, oid), isDataFolder: false }, how));
    }
    const configuration = new Map<string, FoundFile>();
    for (const name of this.#names) configuration.set(name, await readConfigurationFile(join(dataFolder(leaf), name)));
    return { data: { ...data, bytes: data.bytes + control.size, files: data.files + 1 }, tablespaces, configuration };
  }

  async #readPacked(members: readonly SourceMember[], leaf: SourceMember): Promise<SourceContent> {
    const tars = await findTarFiles(leaf);
    const isCounted = leaf.backup.parentBackupId !== null && (await isQuicklyRead(tars));
    const configuration = new Map<string, FoundFile>();
    const combined = new Map<string, number>();
    await this.#readMembers(tars.data, '', { configuration, combined: isCounted ? combined : undefined });
    for (const name of this.#names) if (!configuration.has(name)) configuration.set(name, { kind: 'missing' });
    if (isCounted) {
      for (const [oid, archive] of tars.tablespaces) {
        await this.#readMembers(archive, `pg_tblspc/${String(oid)}/`, { configuration: undefined, combined });
      }
    }
    const manifests = await Promise.all(members.map(readManifest));
    const own = manifests.at(-1) ?? (await this.#countMembers(tars));
    const sizes = restoredSizes(own, manifests, combined);
    const data = sumOf(sizes, (path) => !path.startsWith('pg_tblspc/') && !isLeftOut(path));
    const tablespaces = new Map(
      oidsOf(leaf).map((oid) => [oid, sumOf(sizes, (path) => path.startsWith(`pg_tblspc/${String(oid)}/`))]),
    );
    return { data, tablespaces, configuration };
  }

  /** One pass over a tar file, which ends as soon as everything was found that is looked for. */
  async #readMembers(archive: string, prefix: string, { configuration, combined }: Looking): Promise<void> {
    await readTar(archive, this.#storage, async ({ path, kind, mode }, content) => {
      // streamx readables give buffers
      const chunks = content as AsyncIterable<Buffer>;
      if (configuration !== undefined && this.#names.includes(path)) {
        if (kind === 'file') configuration.set(path, { kind: 'file', text: await textOf(chunks), mode });
        else configuration.set(path, { kind: kind === 'link' ? 'link' : 'other' });
      } else if (combined !== undefined && kind === 'file') {
        const size = await combinedSizeIn(`${prefix}${path}`, chunks);
        if (size !== undefined) combined.set(`${prefix}${path}`, size);
      }
      const hasAll = configuration === undefined || configuration.size === this.#names.length;
      return hasAll && combined === undefined ? 'stop' : undefined;
    });
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

/** What a pass over a tar file collects; undefined is not looked for. */
interface Looking {
  readonly configuration: Map<string, FoundFile> | undefined;
  /** What files come to that `pg_combinebackup` changes, by their paths in the manifest. */
  readonly combined: Map<string, number> | undefined;
}

/** Reading more than that for the sake of numbers would take minutes: then they are estimates. */
const mostCountedBytes = 2 ** 30;

async function isQuicklyRead({ data, tablespaces }: TarFiles): Promise<boolean> {
  const sizes = await Promise.all([data, ...tablespaces.values()].map(async (path) => (await lstat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0) <= mostCountedBytes;
}

async function textOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  const all: Buffer[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString('latin1');
}

/** A record alone restores nothing: told before the destination is touched. */
async function requireComplete(member: SourceMember): Promise<void> {
  if (member.form === 'tar') {
    await findTarFiles(member);
    return;
  }
  for (const path of [join(dataFolder(member), controlFile), ...oidsOf(member).map((oid) => tablespaceFolder(member, oid))]) {
    try {
      await lstat(path);
    } catch (error) {
      if (!isMissing(error)) throw error;
      throw new OperatorError('backup-not-usable', `backup ${member.backup.id} is not complete: ${path} is missing`, {
        hint: 'restore from another backup',
      });
    }
  }
}

function oidsOf({ backup }: SourceMember): readonly number[] {
  return (backup.tablespaces ?? []).map(({ oid }) => oid);
}

/** Bytes that a file comes to; undefined for one that is not there afterwards, or is written anew. */
type SizeOf = (path: string, size: number) => Promise<number | undefined>;

const plainSize: SizeOf = async (_, size) => await Promise.resolve(size);

/** What `pg_combinebackup` makes of a file of the newest backup; it writes a manifest of its own. */
const combinedSize: SizeOf = async (path, size) => {
  if (path.endsWith('/data/backup_manifest')) return undefined;
  if (path.endsWith('/data/backup_label')) return combinedLabel(await readFile(path, 'latin1')).length;
  return wholeName(path) === undefined ? size : ((await incrementalSize(path)) ?? size);
};

/** The same of a member of a tar file, by its path in the manifest; undefined for one that stays as it is. */
async function combinedSizeIn(path: string, content: AsyncIterable<Buffer>): Promise<number | undefined> {
  if (path === 'backup_label') return combinedLabel(await textOf(content)).length;
  return wholeName(path) === undefined ? undefined : await incrementalSizeOf(content, 'read-on');
}

function combinedLabel(label: string): string {
  return label.replaceAll(/^INCREMENTAL FROM .*\n/gm, '');
}

async function measure(
  root: Parameters<typeof walkTree>[0],
  { sizeOf, keepsSizes }: { readonly sizeOf: SizeOf; readonly keepsSizes: boolean },
): Promise<TreeSize> {
  let bytes = 0;
  let files = 0;
  const sizes = new Map<string, number>();
  for await (const { path, stats } of walkTree(root)) {
    if (!stats.isFile()) continue;
    const size = await sizeOf(join(root.source, path), stats.size);
    if (size === undefined) continue;
    bytes += size;
    files++;
    if (keepsSizes) sizes.set(path, size);
  }
  return { bytes, files, isExact: true, ...(keepsSizes ? { sizes } : {}) };
}

/**
 * What each file of the newest manifest comes to. Of an incremental one that was not looked into it is said that it is as large as the newest whole one before
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

async function readConfigurationFile(path: string): Promise<FoundFile> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) return { kind: 'link' };
    if (!stats.isFile()) return { kind: 'other' };
    return { kind: 'file', text: await readFile(path, 'latin1'), mode: stats.mode & 0o777 };
  } catch (error) {
    if (isMissing(error)) return { kind: 'missing' };
    throw error;
  }
}
