import { chmod, copyFile, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isLockHeld } from '../shared/file-lock.ts';
import { isMissing } from '../shared/look.ts';
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
  /** Names the segment that whoever holds the lock puts into `ready` next. */
  readonly next: string;
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

/** The spool for a restore_command; undefined when its name would be too long for a file system. */
export async function spoolFor({ parent, dataFolder, remote, serverName }: SpoolKey): Promise<Spool | undefined> {
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const key = [boot.slice(0, 8), remote.host, remote.port ?? '', serverName, dataFolder].join('+').replaceAll('/', '+');
  const name = `pgcellar-wal-${key}`;
  if (name.length > longestName) return undefined;
  const folder = join(parent, name);
  return {
    folder,
    ready: join(folder, 'ready'),
    work: join(folder, 'work'),
    lock: join(folder, 'lock'),
    next: join(folder, 'next'),
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

/** Takes a segment out of the spool into `target`; false when it is not there. */
export async function takeFromSpool(spool: Spool, name: string, target: string): Promise<boolean> {
  const waiting = join(spool.ready, name);
  try {
    await rename(waiting, target);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    if (systemCodeOf(error) !== 'EXDEV') throw error;
  }
  await copyFile(waiting, target); // another file system
  await rm(waiting, { force: true });
  return true;
}

/** Which segment comes next, while somebody fetches ahead; undefined when nobody does. */
export async function comingNext(spool: Spool): Promise<string | undefined> {
  if (!(await isLockHeld(spool.lock))) return undefined;
  try {
    return (await readFile(spool.next, 'utf8')).trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Tells which segment comes next. */
export async function announceNext(spool: Spool, name: string): Promise<void> {
  await writeFile(`${spool.next}.new`, name);
  await rename(`${spool.next}.new`, spool.next);
}

/** Names that wait in the spool. */
export async function readyNames(spool: Spool): Promise<string[]> {
  try {
    return (await readdir(spool.ready)).toSorted();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** Removes what waits: it belongs to another place in the WAL than the one recovery is at now. */
export async function emptySpool(spool: Spool): Promise<void> {
  for (const folder of [spool.ready, spool.work]) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
}
