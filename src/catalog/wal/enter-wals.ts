import type { WalEntry } from '../index/wal-entry.ts';
import { WalIndex } from '../index/wal-index.ts';
import type { ServerLayout } from '../server-layout.ts';
import { walArchiveOf } from './wal-archive.ts';

/** A file that lies whole and synced on this host, best at the archive's own path for staging. */
export interface EnteringWal {
  readonly from: string;
  readonly entry: WalEntry;
  /** Takes the place of an archived file of that name. */
  readonly replaces?: boolean;
}

/**
 * Moves files into the archive and adds their lines to the index, durably and in this order: a kill in between leaves files without lines,
 * which `indexStrays` finds.
 * @param lines of what is there already, too, where more than the files are to be listed
 */
export async function enterWals(
  layout: ServerLayout,
  files: readonly EnteringWal[],
  lines: readonly WalEntry[] = files.map(({ entry }) => entry),
): Promise<void> {
  await using index = await WalIndex.open(layout);
  await walArchiveOf(layout).adopt(files.map(({ from, entry: { name } }) => ({ from, name })));
  const replaced = new Set(files.flatMap(({ replaces, entry }) => (replaces === true ? [entry.name] : [])));
  if (replaced.size > 0) await index.remove(replaced);
  await index.append(lines);
}
