import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { type BackupSource, dataFolder, type SourceMember, tablespaceFolder } from './backup-source.ts';
import type { FoundFile } from './mangle-configuration.ts';
import { controlFile } from './restored-files.ts';
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

/**
 * Measures the trees of a backup and reads its configuration.
 * @throws OperatorError `backup-not-usable` when files of the backup are missing
 */
export async function readSourceContent({ leaf }: BackupSource, names: readonly string[]): Promise<SourceContent> {
  const oids = (leaf.backup.tablespaces ?? []).map(({ oid }) => oid);
  await requireComplete(leaf, oids);
  const knownOids = new Set(oids.map(String));
  const data = await measure({ source: dataFolder(leaf), isDataFolder: true, knownOids });
  const control = await lstat(join(dataFolder(leaf), controlFile));
  const tablespaces = new Map<number, TreeSize>();
  for (const oid of oids) tablespaces.set(oid, await measure({ source: tablespaceFolder(leaf, oid), isDataFolder: false }));
  const configuration = new Map<string, FoundFile>();
  for (const name of names) configuration.set(name, await readConfigurationFile(join(dataFolder(leaf), name)));
  return { data: { ...data, bytes: data.bytes + control.size, files: data.files + 1 }, tablespaces, configuration };
}

/** A record alone restores nothing: told before the destination is touched. */
async function requireComplete(member: SourceMember, oids: readonly number[]): Promise<void> {
  for (const path of [join(dataFolder(member), controlFile), ...oids.map((oid) => tablespaceFolder(member, oid))]) {
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

async function measure(root: Parameters<typeof walkTree>[0]): Promise<TreeSize> {
  let bytes = 0;
  let files = 0;
  for await (const { stats } of walkTree(root)) {
    if (!stats.isFile()) continue;
    bytes += stats.size;
    files++;
  }
  return { bytes, files, isExact: true };
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
