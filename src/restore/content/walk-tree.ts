import type { Stats } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { onDisk } from '../../shared/file-name.ts';
import { entriesIn } from '../../shared/look.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { controlFile, emptiedFolders, isOfTablespace, leftOutFiles } from './restored-files.ts';

/** The root of one tree of a plain backup. */
export interface TreeRoot {
  readonly source: string;
  readonly isDataFolder: boolean;
  /** Oids of the tablespaces, whose links below `pg_tblspc` are made anew. */
  readonly knownOids?: ReadonlySet<string>;
}

/** Something that a restore copies; `path` is relative to the root of its tree. */
export interface TreeEntry {
  readonly path: string;
  readonly stats: Stats;
}

/**
 * The entries of a tree that a restore copies, each folder before its entries, one folder of names in memory at a time. The control file is left out: it comes last
 * and by itself.
 * @throws OperatorError `file-unreadable` or `backup-not-usable`
 */
export async function* walkTree(root: TreeRoot): AsyncGenerator<TreeEntry> {
  const stats = await reading(root.source, () => lstat(root.source));
  if (!stats.isDirectory()) throw new OperatorError('backup-not-usable', `${root.source} is not a folder`);
  yield { path: '', stats };
  yield* walkFolder(root, '');
}

async function* walkFolder(root: TreeRoot, folder: string): AsyncGenerator<TreeEntry> {
  const from = join(root.source, folder);
  const folders: TreeEntry[] = [];
  for (const { name } of await reading(from, () => entriesIn(from))) {
    const path = folder === '' ? name : `${folder}/${name}`;
    if (isLeftOut(root, path)) continue;
    const stats = await reading(join(root.source, path), () => lstat(onDisk(join(root.source, path))));
    if (stats.isDirectory()) folders.push({ path, stats });
    else yield { path, stats };
  }
  for (const entry of folders) {
    yield entry;
    if (!(root.isDataFolder && emptiedFolders.has(entry.path))) yield* walkFolder(root, entry.path);
  }
}

function isLeftOut({ isDataFolder, knownOids }: TreeRoot, path: string): boolean {
  if (!isDataFolder) return !isOfTablespace(path);
  if (leftOutFiles.has(path) || path === controlFile) return true;
  // linked to its new place when everything is copied
  return path.startsWith('pg_tblspc/') && knownOids?.has(path.slice('pg_tblspc/'.length)) === true;
}

async function reading<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === undefined || error instanceof OperatorError) throw error;
    throw new OperatorError('file-unreadable', `cannot read ${path}: ${code}`, { cause: error });
  }
}
