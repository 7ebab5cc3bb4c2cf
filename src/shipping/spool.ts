import { renameSync, writeFileSync } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAlive } from '../shared/is-alive.ts';
import { isMissing, namesIn } from '../shared/look.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
import type { RemoteHost } from './remote-host.ts';

/**
 * Where segments wait that were fetched ahead: one folder for each data folder, backup host and server, and for each boot of this
 * machine, so that nothing a power cut left half-written is ever looked at. `bin/pgcellar-wal-restore` builds the same name in shell.
 */
export interface Spool {
  readonly folder: string;
  /** Whole, checked segments, under their names. */
  readonly ready: string;
  /** What is still being written. */
  readonly work: string;
  readonly lock: string;
  /** Process id of whoever fills the spool, and the names that come next. What waits is only trusted while that process lives. */
  readonly attendant: string;
}

interface SpoolKey {
  /** `--spool-dir`. */
  readonly parent: string;
  readonly dataFolder: string;
  readonly remote: RemoteHost;
  readonly serverName: string;
}

export const defaultSpoolParent = '/var/tmp';
const longestName = 200;
const prefix = 'pgcellar-wal-';

/** The spool for a restore_command; undefined when its name would be too long for a file system. */
export async function spoolFor({ parent, dataFolder, remote, serverName }: SpoolKey): Promise<Spool | undefined> {
  const { user, host, port = '', configPath = '', program } = remote;
  const key = [await bootMark(), user, host, port, configPath, program, serverName, dataFolder].join('+');
  const name = `${prefix}${key.replaceAll('/', '+')}`;
  if (Buffer.byteLength(name) > longestName) return undefined;
  const folder = join(parent, name);
  return {
    folder,
    ready: join(folder, 'ready'),
    work: join(folder, 'work'),
    lock: join(folder, 'lock'),
    attendant: join(folder, 'attendant'),
  };
}

/**
 * Makes the folders of a spool, readable by nobody else.
 * @returns false when the place is taken by something that is not ours
 */
export async function openSpool(spool: Spool, userId: number | undefined): Promise<boolean> {
  await mkdir(spool.folder, { recursive: true, mode: 0o700 });
  const found = await lstat(spool.folder);
  if (!found.isDirectory() || (userId !== undefined && found.uid !== userId)) return false;
  await chmod(spool.folder, 0o700);
  for (const folder of [spool.ready, spool.work]) await mkdir(folder, { recursive: true, mode: 0o700 });
  return true;
}

/**
 * Takes a segment out of the spool into `target`; false when it is not there, nobody vouches for it any more, or it cannot be moved: the
 * backup host has it still, and what is in `target` then is replaced.
 */
export async function takeFromSpool(spool: Spool, name: string, target: string): Promise<boolean> {
  if ((await namesComing(spool)) === undefined) return false;
  try {
    await moveFile(join(spool.ready, name), target);
    return true;
  } catch {
    return false;
  }
}

async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
    return;
  } catch (error) {
    if (systemCodeOf(error) !== 'EXDEV') throw error;
  }
  await copyFile(from, to);
  await rm(from, { force: true });
}

/** The segments that come next, while somebody fetches ahead; undefined when nobody does. */
export async function namesComing(spool: Spool): Promise<readonly string[] | undefined> {
  try {
    const [pid, ...names] = (await readFile(spool.attendant, 'utf8')).trim().split(' ');
    return pid !== undefined && /^\d+$/.test(pid) && isAlive(Number(pid)) ? names : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Vouches for what waits in the spool, and tells which segments come next. At once, so that two calls never get in each other's way. */
export function announce(spool: Spool, names: readonly string[]): void {
  const text = `${[process.pid, ...names].join(' ')}\n`;
  writeFileSync(`${spool.attendant}.new`, text);
  renameSync(`${spool.attendant}.new`, spool.attendant);
}

/** Names that wait in the spool. */
export async function readyNames(spool: Spool): Promise<string[]> {
  return (await namesIn(spool.ready)).toSorted();
}

/** Removes what waits: it belongs to another place in the WAL, or to another run, than the one of recovery now. */
export async function emptySpool(spool: Spool): Promise<void> {
  await rm(spool.attendant, { force: true });
  for (const folder of [spool.ready, spool.work]) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
}

/** Removes spools of ours that a reboot left behind: nobody looks at them again. */
export async function removeOldSpools({ folder }: Spool, userId: number | undefined): Promise<void> {
  const parent = dirname(folder);
  const current = `${prefix}${await bootMark()}+`;
  for (const name of await readdir(parent)) {
    if (!new RegExp(`^${prefix}[0-9a-f]{8}\\+`).test(name) || name.startsWith(current)) continue;
    const path = join(parent, name);
    const { uid } = await lstat(path);
    if (userId === undefined || uid === userId) await rm(path, { recursive: true, force: true });
  }
}

async function bootMark(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8);
}
