import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isMissing } from '../../shared/look.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { formatSize } from '../../shared/units.ts';
import { type ConfigurationFolder, includedFiles } from '../recovery/included-files.ts';
import type { FoundFile } from '../recovery/mangle-configuration.ts';
import { dataFolder, type SourceMember, tablespaceFolder, tablespaceOids } from './backup-source.ts';
import { combinedSize } from './combined-size.ts';
import { controlFile } from './restored-files.ts';
import type { SourceContent, TreeSize, WantedContent } from './source-content.ts';
import { walkTree } from './walk-tree.ts';

/** Measures a plain backup, and reads its configuration, in one walk over each of its trees. */
export async function readPlainContent(leaf: SourceMember, wanted: WantedContent): Promise<Omit<SourceContent, 'losses'>> {
  const oids = tablespaceOids(leaf);
  const isIncremental = leaf.backup.parentBackupId !== null;
  const how = { sizeOf: isIncremental ? combinedSize : plainSize, keepsSizes: wanted.keepsSizes && !isIncremental };
  const data = await measure({ source: dataFolder(leaf), isDataFolder: true, knownOids: new Set(oids.map(String)) }, how);
  const control = await lstat(join(dataFolder(leaf), controlFile));
  const tablespaces = new Map<number, TreeSize>();
  for (const oid of oids) {
    tablespaces.set(oid, await measure({ source: tablespaceFolder(leaf, oid), isDataFolder: false }, how));
  }
  const configuration = new Map<string, FoundFile>();
  for (const name of wanted.names) configuration.set(name, await readConfigurationFile(join(dataFolder(leaf), name)));
  const included = await includedFiles(configurationBelow(dataFolder(leaf)), wanted.dataFolder);
  return { data: { ...data, bytes: data.bytes + control.size, files: data.files + 1 }, tablespaces, configuration, included };
}

/** Bytes that a file comes to; undefined for one that is not there afterwards, or is written anew. */
type SizeOf = (path: string, size: number) => Promise<number | undefined>;

const plainSize: SizeOf = async (_, size) => await Promise.resolve(size);

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

function configurationBelow(folder: string): ConfigurationFolder {
  return {
    read: async (path) => await readConfigurationFile(join(folder, path)),
    namesIn: async (path) => {
      if ((await readConfigurationFile(join(folder, path))).kind !== 'other') return undefined;
      return await readdir(join(folder, path)).catch(() => undefined);
    },
  };
}

/** Each is read whole. */
const mostConfigurationBytes = 64 * 1024 ** 2;

/** @throws OperatorError `backup-not-usable` for a configuration file that nobody can have written */
export function requireShort(path: string, bytes: number): void {
  if (bytes <= mostConfigurationBytes) return;
  throw new OperatorError('backup-not-usable', `${path} has ${formatSize(bytes)}: no configuration file is that long`, {
    hint: 'examine that file, or restore from another backup',
  });
}

async function readConfigurationFile(path: string): Promise<FoundFile> {
  try {
    const stats = await lstat(path);
    if (stats.isSymbolicLink()) return { kind: 'link' };
    if (!stats.isFile()) return { kind: 'other' };
    requireShort(path, stats.size);
    return { kind: 'file', text: await readFile(path, 'latin1'), mode: stats.mode & 0o777 };
  } catch (error) {
    if (isMissing(error)) return { kind: 'missing' };
    throw error;
  }
}
