import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WalStorage } from '../encryption/stored-wal.ts';
import { isMissing } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { type BackupSource, dataFolder, type SourceMember, tablespaceFolder } from './backup-source.ts';
import { incrementalSize, wholeName } from './incremental-size.ts';
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
  readonly #contents = new Map<string, Promise<SourceContent>>();

  /** @param names configuration files that will be asked for */
  constructor(storage: WalStorage, names: readonly string[]) {
    this.#storage = storage;
    this.#names = names;
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

  async #readContent({ members, leaf }: BackupSource): Promise<SourceContent> {
    for (const member of members) await requireComplete(member);
    if (leaf.form === 'plain') return await this.#readPlain(leaf);
    return await this.#readPacked(members, leaf);
  }

  async #readPlain(leaf: SourceMember): Promise<SourceContent> {
    const oids = oidsOf(leaf);
    const isIncremental = leaf.backup.parentBackupId !== null;
    const size = isIncremental ? combinedSize : plainSize;
    const data = await measure({ source: dataFolder(leaf), isDataFolder: true, knownOids: new Set(oids.map(String)) }, size);
    const control = await lstat(join(dataFolder(leaf), controlFile));
    const tablespaces = new Map<number, TreeSize>();
    for (const oid of oids) {
      tablespaces.set(oid, await measure({ source: tablespaceFolder(leaf, oid), isDataFolder: false }, size));
    }
    const configuration = new Map<string, FoundFile>();
    for (const name of this.#names) configuration.set(name, await readConfigurationFile(join(dataFolder(leaf), name)));
    return { data: { ...data, bytes: data.bytes + control.size, files: data.files + 1 }, tablespaces, configuration };
  }

  async #readPacked(members: readonly SourceMember[], leaf: SourceMember): Promise<SourceContent> {
    const tars = await findTarFiles(leaf);
    const configuration = await this.#readConfiguration(tars.data);
    const manifests = await Promise.all(members.map(readManifest));
    const own = manifests.at(-1) ?? (await this.#countMembers(tars));
    const sizes = restoredSizes(own, manifests);
    const data = sumOf(sizes, (path) => !path.startsWith('pg_tblspc/') && !isLeftOut(path));
    const tablespaces = new Map(
      oidsOf(leaf).map((oid) => [oid, sumOf(sizes, (path) => path.startsWith(`pg_tblspc/${String(oid)}/`))]),
    );
    return { data, tablespaces, configuration };
  }

  async #readConfiguration(archive: string): Promise<Map<string, FoundFile>> {
    const found = new Map<string, FoundFile>();
    await readTar(archive, this.#storage, async ({ path, kind, mode }, content) => {
      if (!this.#names.includes(path)) return undefined;
      if (kind !== 'file') found.set(path, { kind: kind === 'link' ? 'link' : 'other' });
      else {
        const chunks: Buffer[] = [];
        // streamx readables give buffers
        for await (const chunk of content as AsyncIterable<Buffer>) chunks.push(chunk);
        found.set(path, { kind: 'file', text: Buffer.concat(chunks).toString('latin1'), mode });
      }
      return found.size === this.#names.length ? 'stop' : undefined;
    });
    for (const name of this.#names) if (!found.has(name)) found.set(name, { kind: 'missing' });
    return found;
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
  if (path.endsWith('/data/backup_label'))
    return (await readFile(path, 'latin1')).replaceAll(/^INCREMENTAL FROM .*\n/gm, '').length;
  return wholeName(path) === undefined ? size : ((await incrementalSize(path)) ?? size);
};

async function measure(root: Parameters<typeof walkTree>[0], sizeOf: SizeOf): Promise<TreeSize> {
  let bytes = 0;
  let files = 0;
  for await (const { path, stats } of walkTree(root)) {
    if (!stats.isFile()) continue;
    const size = await sizeOf(join(root.source, path), stats.size);
    if (size === undefined) continue;
    bytes += size;
    files++;
  }
  return { bytes, files, isExact: true };
}

/** What stands for an incremental file is as large as the newest whole one before it, more or less. */
function restoredSizes(own: ManifestSizes, manifests: readonly (ManifestSizes | undefined)[]): ReadonlyMap<string, TreeSize> {
  const sizes = new Map<string, TreeSize>();
  for (const [path, bytes] of own) {
    const whole = wholeName(path);
    if (whole === undefined) sizes.set(path, { bytes, files: 1, isExact: true });
    else {
      const before = manifests
        .toReversed()
        .find((manifest) => manifest?.has(whole) === true)
        ?.get(whole);
      sizes.set(whole, { bytes: before ?? bytes, files: 1, isExact: false });
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
