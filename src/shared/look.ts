import { type BigIntStats, type Dirent, fstatSync, lstatSync, readdirSync, statSync } from 'node:fs';
import { type FileHandle, readdir, stat } from 'node:fs/promises';
import { nameOf, onDisk } from './file-name.ts';
import { OperatorError, systemCodeOf } from './operator-error.ts';

/** Whether something is at `path`. @throws OperatorError `file-unreadable` when that cannot be told */
export async function pathExists(path: string): Promise<boolean> {
  try {
    await stat(onDisk(path));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw unreadable(path, error);
  }
}

/**
 * The kind of an entry where other programs put files: only a regular file may be opened. A link may lead to any file of ours, and whoever opens a named pipe waits for
 * ever. Synchronous.
 * @throws what the file system says, unless there is nothing
 */
export function kindOfArrival(path: string): 'file' | 'other' | 'missing' {
  try {
    return lstatSync(path).isFile() ? 'file' : 'other';
  } catch (error) {
    if (isMissing(error)) return 'missing';
    throw error;
  }
}

/** The entries of a folder. */
interface FolderEntry extends Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'> {
  /** As `nameOf` gives it. */
  readonly name: string;
}

/** The entries of a folder, whatever bytes the names are. Rejects as `readdir` does. */
export async function entriesIn(folder: string): Promise<FolderEntry[]> {
  const entries = await readdir(onDisk(folder), { withFileTypes: true, encoding: 'buffer' });
  return entries.map(namedEntry);
}

/** An entry of a folder that was read in bytes. */
function namedEntry(entry: Dirent<Buffer>): FolderEntry {
  return {
    name: nameOf(entry.name),
    isFile: () => entry.isFile(),
    isDirectory: () => entry.isDirectory(),
    isSymbolicLink: () => entry.isSymbolicLink(),
  };
}

/** Names in a folder; none when it does not exist. @throws OperatorError `file-unreadable` when it cannot be listed */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw unreadable(folder, error);
  }
}

/** As {@link namesIn}, synchronously. */
export function namesNowIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw unreadable(folder, error);
  }
}

/** Size and modification time (seconds since the epoch, as Python computes them) of the file at `path`. */
export async function sizeAndTime(
  path: string,
): Promise<{ readonly size: number; readonly time: number; readonly isFile: boolean }> {
  return sizeAndTimeIn(await stat(path, { bigint: true }));
}

/** The same out of what the file system said. */
export function sizeAndTimeIn(found: BigIntStats): { readonly size: number; readonly time: number; readonly isFile: boolean } {
  const seconds = found.mtimeNs / 1_000_000_000n;
  const time = Number(seconds) + Number(found.mtimeNs % 1_000_000_000n) * 1e-9;
  return { size: Number(found.size), time, isFile: found.isFile() };
}

/** Whether an error says that a path does not exist. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '');
}

/** The error for a path that is there and cannot be read. */
export function unreadable(path: string, error: unknown): OperatorError {
  return new OperatorError('file-unreadable', `cannot read ${path}: ${systemCodeOf(error) ?? String(error)}`, {
    hint: 'the catalog belongs to barman_user: compare owner and permissions of the path',
    cause: error,
  });
}

/** The identity that the file system gives a file; when two are equal, nothing was done to the file in between, unless it was within a clock tick. */
export interface FileState {
  readonly dev: number;
  readonly ino: number;
  readonly size: number;
  /** Nanoseconds since the epoch, in decimal. Every change to content sets it to the time of day, and no program can set it to another. */
  readonly ctime: string;
}

/** Time stamps may stand still for so long: a tick of the kernel, at most 10 ms. */
const tickNs = 20_000_000n;
/** Where there are only whole seconds. */
const coarseTickNs = 2_100_000_000n;

/** Synchronous: the thread pool would take longer than the kernel. @throws Error of the file system */
export function stateOf(file: string | Pick<FileHandle, 'fd'>): FileState {
  const found = typeof file === 'string' ? statSync(file, { bigint: true }) : fstatSync(file.fd, { bigint: true });
  return { dev: Number(found.dev), ino: Number(found.ino), size: Number(found.size), ctime: String(found.ctimeNs) };
}

export function isSameState(a: FileState, b: FileState): boolean {
  return a.ctime === b.ctime && a.size === b.size && a.ino === b.ino && a.dev === b.dev;
}

/**
 * Whether a state was noted late enough to tell every later change: a change within the same tick would leave the same time stamp.
 * @param noted state of the file that it was noted in: the same clock stamps both, on one file system
 */
export function isSettled(state: FileState, noted: FileState): boolean {
  const changed = BigInt(state.ctime);
  const tick = changed % 1_000_000_000n === 0n ? coarseTickNs : tickNs;
  return noted.dev === state.dev && BigInt(noted.ctime) - changed > tick;
}

/** Whether a path lies in a folder, by its name. */
export function isBelow(folder: string, path: string): boolean {
  return path.startsWith(`${folder.replace(/\/+$/, '')}/`);
}
