import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { OperatorError, systemCodeOf } from './operator-error.ts';

/** An exclusive flock(2) on a file: held until `release`, disposal, or the end of this process, however it ends. */
export interface FileLock extends AsyncDisposable {
  readonly path: string;
  release(): Promise<void>;
}

interface WaitOptions {
  /** Stops waiting; the wait then rejects with `interrupted`. */
  readonly signal?: AbortSignal;
}

/**
 * Takes the lock when it is free; the file then holds this process's id and a newline (catalog.md section 12).
 * @returns undefined when somebody else holds it
 * @throws OperatorError `lock-failed` when the file or the `flock` program cannot be used
 */
export async function tryLockFile(path: string): Promise<FileLock | undefined> {
  return await takeLock(path, ['-n'], {});
}

/**
 * Takes the lock, waiting as long as it needs.
 * @throws OperatorError `lock-failed`, or `interrupted` when the signal aborts first
 */
export async function lockFile(path: string, options: WaitOptions = {}): Promise<FileLock> {
  const lock = await takeLock(path, [], options);
  if (lock === undefined) throw new OperatorError('lock-failed', `flock gave up on ${path}`);
  return lock;
}

/** Process id that the holder wrote into the lock file; undefined when the lock is free or the file is missing or empty. */
export async function readLockOwner(path: string): Promise<number | undefined> {
  if (!(await exists(path))) return undefined;
  await using free = await tryLockFileUnmarked(path);
  if (free !== undefined) return undefined;
  const text = (await readFile(path, 'utf8')).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Whether somebody holds the lock now. */
export async function isLockHeld(path: string): Promise<boolean> {
  if (!(await exists(path))) return false;
  await using free = await tryLockFileUnmarked(path);
  return free === undefined;
}

async function takeLock(path: string, flags: readonly string[], options: WaitOptions): Promise<FileLock | undefined> {
  for (;;) {
    const file = await flockOpenFile(path, flags, options);
    if (file === undefined) return undefined;
    // Barman's cleanup unlinks free lock files: whoever opened the file just before holds a lock that nobody sees, so try again.
    if (!(await isStillAt(path, file))) {
      await file.close();
      continue;
    }
    await file.truncate(0);
    await file.write(`${String(process.pid)}\n`, 0);
    return asLock(path, file);
  }
}

async function tryLockFileUnmarked(path: string): Promise<FileLock | undefined> {
  const file = await flockOpenFile(path, ['-n'], {});
  return file === undefined ? undefined : asLock(path, file);
}

async function flockOpenFile(path: string, flags: readonly string[], options: WaitOptions): Promise<FileHandle | undefined> {
  const file = await openLockFile(path);
  try {
    const exitCode = await runFlock(file, flags, options);
    if (exitCode === 0) return file;
    if (options.signal?.aborted === true) throw new OperatorError('interrupted', `stopped while waiting for the lock ${path}`);
    if (exitCode !== 1) throw new OperatorError('lock-failed', `flock ended with ${String(exitCode)} on ${path}`);
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

/**
 * A flock belongs to the open file, not to a process: the short-lived helper takes it on the descriptor that it inherits from us,
 * and it stays ours after the helper is gone, until we close the file or die.
 */
async function runFlock(file: FileHandle, flags: readonly string[], options: WaitOptions): Promise<number | null> {
  const helper = spawn('flock', [...flags, '3'], {
    stdio: ['ignore', 'ignore', 'ignore', file.fd],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  try {
    const [exitCode] = (await once(helper, 'close')) as [number | null]; // the event's documented arguments: code, signal
    return exitCode;
  } catch (error) {
    if (options.signal?.aborted === true) return null;
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    throw new OperatorError('program-missing', 'the program flock was not found; it is needed for every lock', {
      hint: 'install the package util-linux',
      cause: error,
    });
  }
}

async function openLockFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'a+', 0o600);
  } catch (error) {
    throw new OperatorError('lock-failed', `cannot open the lock file ${path}: ${systemCodeOf(error) ?? String(error)}`, {
      hint: 'the folder of barman_lock_directory must exist and be writable by the user that runs pgcellar',
      cause: error,
    });
  }
}

async function isStillAt(path: string, file: FileHandle): Promise<boolean> {
  const held = await file.stat();
  try {
    const found = await stat(path);
    return found.ino === held.ino && found.dev === held.dev;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function asLock(path: string, file: FileHandle): FileLock {
  let isOpen = true;
  const release = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    await file.close();
  };
  return { path, release, [Symbol.asyncDispose]: release };
}
