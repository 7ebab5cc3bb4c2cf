import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { CustomCompression } from '../compression/codec.ts';
import { syncFolder } from '../shared/durable-file.ts';
import { type FileLock, lockFile } from '../shared/file-lock.ts';
import { namesIn, pathExists } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { parseWalName, type WalName, walKindOf } from '../wal/wal-name.ts';
import { describeWal } from './describe-wal.ts';
import { newestIndexedNames } from './index-tail.ts';
import { type ServerLayout, serverLockPath, xlogdbPath } from './server-layout.ts';
import { formatWalEntry, parseWalEntry, type WalEntry } from './wal-entry.ts';

const chunkBytes = 1 << 20;
/** A few lines: names never come twice, so that lines that moved differ. */
const markBytes = 256;

/**
 * The WAL index under its lock (catalog.md section 7.3). The lock is the leaf of the locking order: hold it for as short as you can,
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
   * Visits every entry in the order of the file.
   * @throws OperatorError `wal-index-invalid` naming the line
   */
  async visit(visitor: (entry: WalEntry) => void): Promise<void> {
    await this.visitFrom(0, visitor);
  }

  /**
   * As {@link visit}, from the line that begins at a byte of the file; lines are then numbered from there.
   * @returns where the last whole line ends: the next visit may begin there, as long as the file only grows
   */
  async visitFrom(offset: number, visitor: (entry: WalEntry) => void): Promise<number> {
    const path = xlogdbPath(this.#layout);
    let number = 0;
    return await forEachLine(path, offset, (line) => {
      number++;
      const entry = parseWalEntry(line);
      if (entry !== undefined) visitor(entry);
      else if (line.trim() !== '') {
        throw new OperatorError(
          'wal-index-invalid',
          `${path}:${String(number)}: not a line of a WAL index: ${line.slice(0, 80)}`,
          {
            hint: 'move the file away: the next command builds it again from the archive',
          },
        );
      }
    });
  }

  /**
   * What tells that the file's first `end` bytes are those that were read before. Two marks are equal when nothing was done to the file
   * but to add to it: every rewrite is another file (ours), or moves its lines (Barman's, which writes into the same one).
   * @returns undefined when the file is shorter
   */
  async markAt(end: number): Promise<WalIndexMark | undefined> {
    await using file = await open(xlogdbPath(this.#layout), 'r');
    const { dev, ino, size } = await file.stat();
    if (size < end) return undefined;
    const length = Math.min(end, markBytes);
    const textAt = async (start: number) => (await file.read(Buffer.alloc(length), 0, length, start)).buffer.toString('latin1');
    return { dev, ino, end, head: await textAt(0), tail: await textAt(end - length) };
  }

  /** Whether an entry of that name is there; one of the newest is found without reading all. */
  async has(name: WalName): Promise<boolean> {
    if ((await newestIndexedNames(xlogdbPath(this.#layout))).has(name)) return true;
    const found: WalName[] = [];
    await this.visit((entry) => {
      if (entry.name === name) found.push(name);
    });
    return found.length > 0;
  }

  /** Adds entries at the end and makes them durable. What a crash left of a line that was being written is cut off. */
  async append(entries: readonly WalEntry[]): Promise<void> {
    if (entries.length === 0) return;
    await using file = await open(xlogdbPath(this.#layout), 'a+');
    const { size } = await file.stat();
    const whole = await endOfLastLine(file, size);
    if (whole < size) await file.truncate(whole);
    await file.appendFile(entries.map(formatWalEntry).join(''));
    await file.sync();
  }

  /** Replaces the file durably by the entries for which `keeps` is true. */
  async retain(keeps: (entry: WalEntry) => boolean): Promise<void> {
    const kept: string[] = [];
    await this.visit((entry) => {
      if (keeps(entry)) kept.push(formatWalEntry(entry));
    });
    await this.#replace(kept);
  }

  /**
   * Writes the index anew from what lies in the archive, sorted by folder and name (catalog.md section 7.4). Partial segments are
   * indexed too, so that they go when their time comes. A compression of the server's own is only recognised where it is given.
   */
  async rebuild(custom?: CustomCompression): Promise<RebuildCounts> {
    const entries = await readArchive(this.#layout, custom);
    await this.#replace(entries.map(formatWalEntry));
    await rm(join(this.#layout.wals, 'xlog.db'), { force: true }); // where releases before 3.13 had it
    return countKinds(entries);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.release();
  }

  async #replace(lines: readonly string[]): Promise<void> {
    const path = xlogdbPath(this.#layout);
    await mkdir(dirname(path), { recursive: true });
    // a fixed name: the lock is ours, and what a crash leaves is overwritten by the next run
    const temporary = `${path}.tmp`;
    const file = await open(temporary, 'w');
    try {
      for (let start = 0; start < lines.length; start += 10_000) await file.write(lines.slice(start, start + 10_000).join(''));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  }
}

/** See {@link WalIndex.markAt}. */
export interface WalIndexMark {
  readonly dev: number;
  readonly ino: number;
  readonly end: number;
  /** First bytes of the file, and the last ones before `end`. */
  readonly head: string;
  readonly tail: string;
}

export interface RebuildCounts {
  readonly history: number;
  readonly backupLabels: number;
  readonly walFiles: number;
}

async function readArchive(layout: ServerLayout, custom: CustomCompression | undefined): Promise<WalEntry[]> {
  const entries: WalEntry[] = [];
  for (const name of (await namesIn(layout.wals)).toSorted()) {
    const path = join(layout.wals, name);
    if (walKindOf(name) === 'history') entries.push(...(await entryOf(path, name, custom)));
    else if (/^[0-9A-F]{16}$/.test(name)) {
      for (const file of (await namesIn(path)).toSorted()) entries.push(...(await entryOf(join(path, file), file, custom)));
    }
  }
  return entries;
}

async function entryOf(path: string, fileName: string, custom: CustomCompression | undefined): Promise<WalEntry[]> {
  const name = parseWalName(fileName);
  const entry = name === undefined ? undefined : await describeWal(path, name, custom);
  return entry === undefined ? [] : [entry];
}

function countKinds(entries: readonly WalEntry[]): RebuildCounts {
  const count = (kind: string) => entries.filter(({ name }) => walKindOf(name) === kind).length;
  return { history: count('history'), backupLabels: count('backup-label'), walFiles: count('segment') };
}

/**
 * Lines of a file from a byte on, without their newlines, one chunk in memory. What a crash tore at the end is left out, even where it
 * reads like an entry: the next append cuts it off.
 * @returns where the last whole line ends
 */
async function forEachLine(path: string, offset: number, take: (line: string) => void): Promise<number> {
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(chunkBytes);
  let rest = '';
  let position = offset;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, position);
    if (bytesRead === 0) return position - rest.length;
    position += bytesRead;
    const text = rest + buffer.toString('latin1', 0, bytesRead); // names, numbers and plain words only: a byte each
    let start = 0;
    for (let end = text.indexOf('\n', start); end !== -1; end = text.indexOf('\n', start)) {
      take(text.slice(start, end));
      start = end + 1;
    }
    rest = text.slice(start);
  }
}

async function endOfLastLine(file: Awaited<ReturnType<typeof open>>, size: number): Promise<number> {
  const length = Math.min(size, 4096);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return size - length + buffer.lastIndexOf(0x0a) + 1;
}
