import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CustomCompression } from '../../compression/codec.ts';
import { checksumOf } from '../../shared/checksum.ts';
import type { Context } from '../../shared/context.ts';
import { makeFolderDurably, syncFile, syncFolder } from '../../shared/durable-file.ts';
import { type FileLock, lockFile } from '../../shared/file-lock.ts';
import { type FileState, isMissing, pathExists, stateOf } from '../../shared/look.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { hashFolderOf, parseWalName, type WalName } from '../../wal/wal-name.ts';
import { type ServerLayout, serverLockPath, xlogdbPath } from '../server-layout.ts';
import { walArchiveOf } from '../wal/wal-archive.ts';
import { addIndexLines, LedgerBuilder } from './ledger-builder.ts';
import { readLedgerUnderLock } from './ledger-of-index.ts';
import { LedgerStore, type StoredLedger } from './ledger-store.ts';
import { describeWal, linesOfArchive } from './lines-of-archive.ts';
import { linesWithout } from './lines-without.ts';
import { formatWalEntry, invalidIndexLine, type WalEntry } from './wal-entry.ts';
import type { WalLedger } from './wal-ledger.ts';

/**
 * The WAL index under its lock (docs/reference/catalog.md section 7.3). The lock is the leaf of the locking order: hold it for as short as you can,
 * and never while you wait for anything.
 */
export class WalIndex implements AsyncDisposable {
  readonly #layout: ServerLayout;
  /** Undefined where nobody can write. */
  readonly #lock: FileLock | undefined;

  private constructor(layout: ServerLayout, lock: FileLock | undefined) {
    this.#layout = layout;
    this.#lock = lock;
  }

  /** Waits for the lock; an index that is missing is first built from the archive. */
  static async open(layout: ServerLayout, signal?: AbortSignal): Promise<WalIndex> {
    const lock = await lockFile(serverLockPath(layout, 'xlogdb'), signal === undefined ? {} : { signal });
    const index = new WalIndex(layout, lock);
    try {
      if (!(await pathExists(xlogdbPath(layout)))) await index.rebuild();
      return index;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** As {@link open}, to read and nothing else: an index on a file system that is mounted read-only needs no lock. */
  static async openToRead(layout: ServerLayout, signal?: AbortSignal): Promise<WalIndex> {
    try {
      return await WalIndex.open(layout, signal);
    } catch (error) {
      const isReadOnly = error instanceof OperatorError && systemCodeOf(error.cause) === 'EROFS';
      if (!isReadOnly || !(await pathExists(xlogdbPath(layout)))) throw error;
      return new WalIndex(layout, undefined);
    }
  }

  /**
   * What the file names, from what is known of it where that can be.
   * @throws OperatorError `wal-index-invalid` naming the line
   */
  async ledger(log?: Context['log']): Promise<WalLedger> {
    return await readLedgerUnderLock(this.#layout, log);
  }

  /** Adds entries at the end and makes them durable. What a crash left of a line that was being written is cut off. */
  async append(entries: readonly WalEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await using file = await open(xlogdbPath(this.#layout), 'a+');
    const before = stateOf(file);
    const whole = await endOfLastLine(file, before.size);
    if (whole < before.size) await file.truncate(whole);
    await file.appendFile(entries.map(formatWalEntry).join(''));
    await file.sync();
    await this.#markAppended(before, stateOf(file));
  }

  /** Replaces the file durably by its other lines. @throws OperatorError `wal-index-invalid` naming the line */
  async remove(names: ReadonlySet<WalName>): Promise<void> {
    const path = xlogdbPath(this.#layout);
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    await this.#replace(linesWithout(file, names), size);
  }

  /**
   * Writes the index anew from what lies in the archive, sorted by folder and name (docs/reference/catalog.md section 7.4). Partial segments are
   * indexed too, so that they go when their time comes. A compression of the server's own is only recognised where it is given; where a
   * file that is neither WAL nor recognised has a line, the compression of that line stays.
   */
  async rebuild(custom?: CustomCompression): Promise<RebuildCounts> {
    const counts = { history: 0, backupLabels: 0, walFiles: 0, leftOut: [] };
    const known = await this.#knownForms();
    await this.#replace(linesOfArchive(this.#layout, { custom, known }, counts));
    await rm(join(this.#layout.wals, 'xlog.db'), { force: true }); // where releases before 3.13 had it
    return counts;
  }

  /** Nothing where the index is missing or broken, which is what a rebuild is for. */
  async #knownForms(): Promise<WalLedger | undefined> {
    try {
      return (await pathExists(xlogdbPath(this.#layout))) ? await this.ledger() : undefined;
    } catch (error) {
      if (error instanceof OperatorError) return undefined;
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.release();
  }

  /** The known facts about the file still hold; where that is not certain, the next reader compares. */
  async #markAppended(before: FileState, after: FileState): Promise<void> {
    const store = new LedgerStore(this.#layout);
    const known = store.ledgerFor(before);
    if (known !== undefined) await store.mark(known, after);
  }

  /** @param most bytes that there may be, where that is known */
  async #replace(pieces: AsyncIterable<Buffer>, most = 0): Promise<void> {
    const path = xlogdbPath(this.#layout);
    await makeFolderDurably(dirname(path));
    // a fixed name: the lock is ours, and what a crash leaves is overwritten by the next run
    const temporary = `${path}.tmp`;
    const file = await open(temporary, 'w');
    try {
      const known = await writePieces({ file, path, most }, pieces);
      await file.sync();
      await rename(temporary, path);
      await syncFolder(dirname(path));
      const store = new LedgerStore(this.#layout);
      await store.write(known);
      await store.mark(known, stateOf(file));
    } finally {
      await file.close();
    }
  }
}

interface RebuildCounts {
  readonly history: number;
  readonly backupLabels: number;
  readonly walFiles: number;
  /** Names of WAL under which no whole file lies, so that the index does not have them. */
  readonly leftOut: readonly WalName[];
}

interface NewIndex {
  readonly file: FileHandle;
  readonly path: string;
  readonly most: number;
}

/** @param pieces whole lines */
async function writePieces({ file, path, most }: NewIndex, pieces: AsyncIterable<Buffer>): Promise<StoredLedger> {
  const builder = new LedgerBuilder(undefined, most);
  let [end, checksum, lines] = [0, 0, 0];
  for await (const piece of pieces) {
    await file.write(piece, 0, piece.length, end);
    const whole = addIndexLines(piece, builder, (line, before) => {
      throw invalidIndexLine(line, path, lines + before + 1);
    });
    lines += whole.lines;
    end += piece.length;
    checksum = checksumOf(piece, checksum);
  }
  return { ledger: builder.build(), end, checksum };
}

async function endOfLastLine(file: Awaited<ReturnType<typeof open>>, size: number): Promise<number> {
  const length = Math.min(size, 4096);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return size - length + buffer.lastIndexOf(0x0a) + 1;
}

/** A file that lies whole and synced on this host, best at the archive's own path for staging. */
interface EnteringWal {
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
  const archive = walArchiveOf(layout);
  const entries: WalEntry[] = [];
  for (const name of missing) {
    const path = archive.pathOf(name);
    const entry = describeWal(path, name, custom);
    if (entry === undefined) continue;
    await syncFile(path); // its source, where there is one, goes as soon as the index has the name
    entries.push(entry);
  }
  for (const folder of new Set(entries.map(({ name }) => dirname(archive.pathOf(name))))) await syncFolder(folder);
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
      if (name !== undefined && name === file && hashFolderOf(name) === folder) found.push(name);
    }
  }
  return found;
}

/**
 * Whether {@link indexStrays} may find something, seen without the lock: a file that a crash left in the archive without a line in the
 * index is younger than the last line, so its folder changed after the index.
 */
export async function mayHaveStrays(layout: ServerLayout): Promise<boolean> {
  const newest = await walArchiveOf(layout).newestFolder();
  if (newest === undefined) return false;
  const [folder, index] = [await changedAt(newest), await changedAt(xlogdbPath(layout))];
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

/** Enough for all lines of a folder, also with segments of 1 MiB. */
const tailBytes = 1 << 20;

/** Names in the newest lines of a WAL index, in their order: what the cost of looking at does not grow with the archive. */
async function newestIndexedNames(path: string): Promise<Set<string>> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const length = Math.min(size, tailBytes);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  const [first = '', ...others] = buffer.toString('latin1').split('\n').slice(0, -1); // without what a crash tore
  const whole = length === size ? [first, ...others] : others;
  return new Set(whole.map((line) => line.slice(0, line.indexOf('\t'))));
}
