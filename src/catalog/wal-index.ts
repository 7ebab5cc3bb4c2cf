import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { detectCompressionOf } from '../compression/all-codecs.ts';
import { syncFolder } from '../shared/durable-file.ts';
import { type FileLock, lockFile } from '../shared/file-lock.ts';
import { namesIn, pathExists, sizeAndTime } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { parseWalName, type WalName, walKindOf } from '../wal/wal-name.ts';
import { type ServerLayout, serverLockPath, xlogdbPath } from './server-layout.ts';
import { formatWalEntry, parseWalEntry, type WalEntry } from './wal-entry.ts';

const chunkBytes = 1 << 20;

/**
 * The WAL index under its lock (catalog.md section 7.3). The lock is the leaf of the locking order: hold it for as short as you can,
 * and never while you wait for anything.
 */
export class WalIndex implements AsyncDisposable {
  readonly #layout: ServerLayout;
  readonly #lock: FileLock;

  private constructor(layout: ServerLayout, lock: FileLock) {
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

  /**
   * Visits every entry in the order of the file.
   * @throws OperatorError `wal-index-invalid` naming the line
   */
  async visit(visitor: (entry: WalEntry) => void): Promise<void> {
    const path = xlogdbPath(this.#layout);
    let number = 0;
    await forEachLine(path, (line, isWhole) => {
      number++;
      if (!isWhole) return; // torn by a crash, and cut off by the next append, even where it reads like an entry
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

  /** Whether an entry of that name is there. */
  async has(name: WalName): Promise<boolean> {
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
   * indexed too, so that they go when their time comes.
   */
  async rebuild(): Promise<RebuildCounts> {
    const entries = await readArchive(this.#layout);
    await this.#replace(entries.map(formatWalEntry));
    await rm(join(this.#layout.wals, 'xlog.db'), { force: true }); // where releases before 3.13 had it
    return countKinds(entries);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock.release();
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

export interface RebuildCounts {
  readonly history: number;
  readonly backupLabels: number;
  readonly walFiles: number;
}

async function readArchive(layout: ServerLayout): Promise<WalEntry[]> {
  const entries: WalEntry[] = [];
  for (const name of (await namesIn(layout.wals)).toSorted()) {
    const path = join(layout.wals, name);
    if (walKindOf(name) === 'history') entries.push(...(await entryOf(path, name)));
    else if (/^[0-9A-F]{16}$/.test(name)) {
      for (const file of (await namesIn(path)).toSorted()) entries.push(...(await entryOf(join(path, file), file)));
    }
  }
  return entries;
}

async function entryOf(path: string, fileName: string): Promise<WalEntry[]> {
  const name = parseWalName(fileName);
  if (name === undefined) return [];
  const { size, time, isFile } = await sizeAndTime(path);
  if (!isFile) return [];
  const compression = (await detectCompressionOf(path)) ?? null;
  return [{ name, size, time, compression, encryption: null }];
}

function countKinds(entries: readonly WalEntry[]): RebuildCounts {
  const count = (kind: string) => entries.filter(({ name }) => walKindOf(name) === kind).length;
  return { history: count('history'), backupLabels: count('backup-label'), walFiles: count('segment') };
}

/** Lines of a file without their newlines, one chunk in memory; a last line without newline is not whole. */
async function forEachLine(path: string, take: (line: string, isWhole: boolean) => void): Promise<void> {
  await using file = await open(path, 'r');
  const buffer = Buffer.alloc(chunkBytes);
  let rest = '';
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, chunkBytes, null);
    if (bytesRead === 0) break;
    const text = rest + buffer.toString('latin1', 0, bytesRead); // names, numbers and plain words only
    let start = 0;
    for (let end = text.indexOf('\n', start); end !== -1; end = text.indexOf('\n', start)) {
      take(text.slice(start, end), true);
      start = end + 1;
    }
    rest = text.slice(start);
  }
  if (rest !== '') take(rest, false);
}

async function endOfLastLine(file: Awaited<ReturnType<typeof open>>, size: number): Promise<number> {
  const length = Math.min(size, 4096);
  const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
  return size - length + buffer.lastIndexOf(0x0a) + 1;
}
