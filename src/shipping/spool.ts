import { chmod, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { tryLockFile } from '../shared/file-lock.ts';
import { namesNowIn, pathExists } from '../shared/look.ts';

/**
 * Where segments wait that were fetched ahead: one folder for each data folder, backup host and server, and for each boot of this
 * machine, so that nothing a power cut left half-written is ever looked at. The shell scripts in `bin` make the name.
 */
export interface Spool {
  readonly folder: string;
  /** Whole, checked segments, under their names. */
  readonly ready: string;
  /** A file that was asked for and has come, under its name. */
  readonly asked: string;
  /** The files that are still being written. */
  readonly work: string;
  readonly lock: string;
  /** Locked by a script that asks. */
  readonly asking: string;
  /** Process id and start of the attendant, which fills the spool and answers. What waits is only trusted while that process lives. */
  readonly attendant: string;
  /** Until when, in seconds since the boot, the backup host is taken for one that knows no sessions. */
  readonly withoutSessions: string;
}

/** Names of spools begin so: of those for restore_command and for archive_command. */
const prefixes = 'pgcellar-(?:wal|put)-';

/** The layout of a spool. */
export function spoolAt(folder: string): Spool {
  return {
    folder,
    ready: join(folder, 'ready'),
    asked: join(folder, 'asked'),
    work: join(folder, 'work'),
    lock: join(folder, 'lock'),
    asking: join(folder, 'asking'),
    attendant: join(folder, 'attendant'),
    withoutSessions: join(folder, 'without-sessions'),
  };
}

/**
 * Makes the folder of a spool, readable by nobody else.
 * @returns false when the place is taken by something that is not ours
 */
export async function openSpool(spool: Spool, userId: number | undefined): Promise<boolean> {
  await mkdir(spool.folder, { recursive: true, mode: 0o700 });
  const found = await lstat(spool.folder);
  if (!found.isDirectory() || (userId !== undefined && found.uid !== userId)) return false;
  await chmod(spool.folder, 0o700);
  return true;
}

/**
 * Vouches for what waits in the spool, and tells that requests are answered.
 * @param isBesideWal whether a file gets from the spool into pg_wal by its name alone
 */
export async function announce(spool: Spool, isBesideWal: boolean): Promise<void> {
  await writeFile(
    `${spool.attendant}.new`,
    `${String(process.pid)} ${await startOfThisProcess()} ${isBesideWal ? 'beside' : 'elsewhere'}\n`,
  );
  await rename(`${spool.attendant}.new`, spool.attendant);
}

/** Whether the spool is still ours: somebody may have removed the folder, and another process fills the one in its place. */
async function isStillOurs({ lock }: Spool): Promise<boolean> {
  return (await readIfThere(lock)) === `${String(process.pid)}\n`;
}

/** The facts about the backup host are examined again now and then, because its program may have changed. */
const rememberedSeconds = 3600;

/** Remembers that the backup host knows no sessions. */
export async function rememberWithoutSessions({ withoutSessions }: Spool): Promise<void> {
  await writeFile(withoutSessions, `${String((await uptimeSeconds()) + rememberedSeconds)}\n`);
}

/** Whether the backup host was found not long ago to know no sessions. */
export async function isWithoutSessions({ withoutSessions }: Spool): Promise<boolean> {
  const until = Number((await readIfThere(withoutSessions)).trim());
  return until > (await uptimeSeconds());
}

async function uptimeSeconds(): Promise<number> {
  return Math.floor(Number((await readFile('/proc/uptime', 'latin1')).split(' ')[0]));
}

async function readIfThere(path: string): Promise<string> {
  return (await pathExists(path)) ? await readFile(path, 'latin1') : '';
}

/** In ticks since the boot of the machine, as the kernel tells it: the 22nd field of the line. */
async function startOfThisProcess(): Promise<string> {
  const line = await readFile('/proc/self/stat', 'latin1');
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Names that wait in the spool, read synchronously: together with what is on its way they must never be too many. */
export function readyNames(spool: Spool): string[] {
  return namesNowIn(spool.ready).toSorted();
}

/** Removes what waits: it belongs to another place in the WAL, or to another run, than the one of recovery now. */
export async function emptySpool(spool: Spool): Promise<void> {
  await rm(spool.attendant, { force: true });
  for (const folder of [spool.ready, spool.asked, spool.work]) {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
}

/**
 * Ends the use of a spool that is ours: removes what waits, and, unless it is to be kept, the folder itself where nobody is asking: that one
 * would find its pipes there.
 */
export async function leaveSpool(spool: Spool, { isKept }: { readonly isKept: boolean }): Promise<void> {
  if (!(await isStillOurs(spool))) return;
  await emptySpool(spool);
  if (isKept) return;
  await using asking = await tryLockFile(spool.asking);
  if (asking !== undefined) await rm(spool.folder, { recursive: true, force: true });
}

/** Removes spools of ours that a reboot left behind: nobody looks at them again. */
export async function removeOldSpools({ folder }: Spool, userId: number | undefined): Promise<void> {
  const parent = dirname(folder);
  const isOurs = new RegExp(`^${prefixes}[0-9a-f]{8}\\+`);
  const isCurrent = new RegExp(`^${prefixes}${await bootMark()}\\+`);
  for (const name of await readdir(parent)) {
    if (!isOurs.test(name) || isCurrent.test(name)) continue;
    const path = join(parent, name);
    const { uid } = await lstat(path);
    if (userId === undefined || uid === userId) await rm(path, { recursive: true, force: true });
  }
}

async function bootMark(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).slice(0, 8);
}
