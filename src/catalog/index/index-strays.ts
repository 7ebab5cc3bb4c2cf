import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CustomCompression } from '../../compression/codec.ts';
import { syncFile, syncFolder } from '../../shared/durable-file.ts';
import { isMissing, namesIn, pathExists } from '../../shared/look.ts';
import { parseWalName, type WalName } from '../../wal/wal-name.ts';
import { archivedWalKey, archivedWalPath, isWalFolder } from '../archive-layout.ts';
import { type ServerLayout, xlogdbPath } from '../server-layout.ts';
import { walArchiveOf } from '../wal/wal-archive.ts';
import { describeWal } from './describe-wal.ts';
import { newestIndexedNames } from './index-tail.ts';
import type { WalEntry } from './wal-entry.ts';
import { WalIndex } from './wal-index.ts';

/**
 * Adds to the index what lies in the archive and is not in it: a crash of Barman between its rename and its index line leaves such a
 * file, and no source of it. Looked at are the folder of the newest line and those after it, so the cost does not grow with the archive.
 * The caller holds the archive-wal lock.
 * @returns the names that were added
 */
export async function indexStrays(layout: ServerLayout, custom: CustomCompression | undefined): Promise<readonly WalName[]> {
  if (!(await pathExists(xlogdbPath(layout)))) return []; // it is built from the archive as soon as somebody asks for it
  const tail = await newestIndexedNames(xlogdbPath(layout));
  const suspects = (await newestNames(layout, tail)).filter((name) => !tail.has(name));
  if (suspects.length === 0) return [];
  await using index = await WalIndex.open(layout);
  const ledger = await index.ledger();
  const missing = suspects.filter((name) => !ledger.has(name));
  const entries: WalEntry[] = [];
  for (const name of missing) {
    const path = archivedWalPath(layout, name);
    const entry = describeWal(path, name, custom);
    if (entry === undefined) continue;
    await syncFile(path); // its source, where there is one, goes as soon as the index has the name
    entries.push(entry);
  }
  for (const folder of new Set(entries.map(({ name }) => dirname(archivedWalPath(layout, name))))) await syncFolder(folder);
  await syncFolder(layout.wals);
  await index.append(entries);
  return entries.map(({ name }) => name);
}

/** Names of files in the newest folders. */
async function newestNames(layout: ServerLayout, tail: ReadonlySet<string>): Promise<WalName[]> {
  const newestFolder = [...tail].findLast((name) => name.length >= 24)?.slice(0, 16) ?? '';
  const found: WalName[] = [];
  for await (const { folder, names } of walArchiveOf(layout).foldersFrom(newestFolder)) {
    for (const file of names) {
      const name = parseWalName(file);
      if (name !== undefined && archivedWalKey(name) === `${folder}/${file}`) found.push(name);
    }
  }
  return found;
}

/**
 * Whether {@link indexStrays} may find something, seen without the lock: a file that a crash left in the archive without a line in the
 * index is younger than the last line, so its folder changed after the index.
 */
export async function mayHaveStrays(layout: ServerLayout): Promise<boolean> {
  const newest = (await namesIn(layout.wals)).filter(isWalFolder).toSorted().at(-1);
  if (newest === undefined) return false;
  const [folder, index] = [await changedAt(join(layout.wals, newest)), await changedAt(xlogdbPath(layout))];
  return folder !== undefined && (index === undefined || folder > index);
}

/** Undefined for what is not there. */
async function changedAt(path: string): Promise<bigint | undefined> {
  try {
    return (await stat(path, { bigint: true })).mtimeNs;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
