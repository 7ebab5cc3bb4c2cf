import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open, readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
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
 * A question whether a lock is held takes the lock for an instant, in Barman's commands exclusively. So a lock without a visible
 * holder is tried again after these pauses; a visible holder is awaited once.
 */
const pausesMs = [10, 40, 100, 200] as const;

/**
 * Takes the lock when it is free; the file then holds this process's id and a newline (docs/reference/catalog.md section 12).
 * @returns undefined when somebody else holds it
 * @throws OperatorError `lock-failed` when the file or the `flock` program cannot be used
 */
export async function tryLockFile(path: string): Promise<FileLock | undefined> {
  return await takeLock(path, { flags: ['-n'] });
}

/**
 * Takes the lock, waiting as long as it needs.
 * @throws OperatorError `lock-failed`, or `interrupted` when the signal aborts first
 */
export async function lockFile(path: string, options: WaitOptions = {}): Promise<FileLock> {
  const lock = await takeLock(path, { flags: [], ...options });
  if (lock === undefined) throw new OperatorError('lock-failed', `flock gave up on ${path}`);
  return lock;
}

/** Process id that the holder wrote into the lock file; undefined when the lock is free or the file is missing or empty. */
export async function readLockOwner(path: string): Promise<number | undefined> {
  if (!(await isLockHeld(path))) return undefined;
  return await writtenOwner(path);
}

/** Whether somebody holds the lock now; those who only ask at the same time do not count. */
export async function isLockHeld(path: string): Promise<boolean> {
  if (!(await exists(path))) return false;
  if (await isHeldByOwner(path)) {
    // seen without taking it, which would take a program; twice, because Barman's commands hold it for an instant to ask
    await delay(pausesMs[0]);
    if (await isHeldByOwner(path)) return true;
  }
  // shared: others who ask do not see us as a holder
  const free = await flockPatiently(path, { flags: ['-n', '-s'] });
  await free?.close();
  return free === undefined;
}

/** How flock(1) is asked. */
interface Asking extends WaitOptions {
  readonly flags: readonly string[];
}

async function takeLock(path: string, asking: Asking): Promise<FileLock | undefined> {
  for (;;) {
    const file = await flockPatiently(path, asking);
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

/** Asks again, until the same holder was seen twice, or nobody for long enough. */
async function flockPatiently(path: string, asking: Asking): Promise<FileHandle | undefined> {
  let isSeenAgain = false;
  for (const pauseMs of pausesMs) {
    const file = await flockOpenFile(path, asking);
    if (file !== undefined) return file;
    const isOwnerThere = await isHeldByOwner(path);
    if (isOwnerThere && isSeenAgain) return undefined;
    isSeenAgain = isOwnerThere;
    await delay(pauseMs);
  }
  return await flockOpenFile(path, asking);
}

/**
 * Whether the process that the lock file names holds the lock, seen without taking it. False says nothing: other users' processes, and
 * those of other containers, cannot be looked into.
 */
export async function isHeldByOwner(path: string): Promise<boolean> {
  try {
    const owner = await writtenOwner(path);
    if (owner === undefined) return false;
    const wanted = await realpath(path);
    const folder = `/proc/${String(owner)}`;
    for (const number of await readdir(join(folder, 'fd'))) {
      if ((await targetOf(join(folder, 'fd', number))) !== wanted) continue;
      // the kernel's line on a lock that belongs to this open file
      if (/^lock:.* FLOCK .* WRITE /m.test(await readFile(join(folder, 'fdinfo', number), 'utf8'))) return true;
    }
    return false;
  } catch (error) {
    if (['ENOENT', 'EACCES', 'ESRCH'].includes(systemCodeOf(error) ?? '')) return false;
    throw error;
  }
}

/** Undefined for a file that was closed meanwhile. */
async function targetOf(descriptor: string): Promise<string | undefined> {
  try {
    return await readlink(descriptor);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}

async function writtenOwner(path: string): Promise<number | undefined> {
  const text = (await readFile(path, 'utf8')).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

async function flockOpenFile(path: string, asking: Asking): Promise<FileHandle | undefined> {
  const file = await openLockFile(path);
  try {
    const exitCode = await runFlock(file, asking);
    if (exitCode === 0) return file;
    if (asking.signal?.aborted === true) throw new OperatorError('interrupted', `stopped while waiting for the lock ${path}`);
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
async function runFlock(file: FileHandle, { flags, signal }: Asking): Promise<number | null> {
  const helper = spawn('flock', [...flags, '3'], {
    stdio: ['ignore', 'ignore', 'ignore', file.fd],
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    const [exitCode] = (await once(helper, 'close')) as [number | null]; // the event's documented arguments: code, signal
    return exitCode;
  } catch (error) {
    if (signal?.aborted === true) return null;
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
