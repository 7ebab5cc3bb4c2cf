import { constants, type Stats } from 'node:fs';
import { chmod, copyFile, lstat, mkdir, open, readlink, rm, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../shared/context.ts';
import { syncFile } from '../../shared/durable-file.ts';
import { onDisk } from '../../shared/file-name.ts';
import { forEachConcurrently } from '../../shared/for-each-concurrently.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { throwIfInterrupted } from '../../shared/throw-if-interrupted.ts';
import { withRetries } from '../../shared/with-retries.ts';
import { controlFile, emptiedFolders, realFolders } from '../content/restored-files.ts';
import { type TreeEntry, walkTree } from '../content/walk-tree.ts';
import type { DestinationPlan } from '../plan/plan-destination.ts';
import { Throttle } from './throttle.ts';

type CopyContext = Pick<Context, 'clock' | 'progress' | 'signal' | 'messages'>;

interface CopyOptions {
  readonly plan: Pick<DestinationPlan, 'source' | 'destination' | 'tablespaces'>;
  /** The expected number of bytes, for the progress line only. */
  readonly totalBytes: number | undefined;
  readonly jobs: number;
  /** 0 for no limit. */
  readonly kilobytesPerSecond: number;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
}

const concurrentFiles = 8;
const chunkBytes = 256 * 1024;
/** A file of this size and more is written to the disk while others are still copied. */
const largeBytes = 8 * 1024 * 1024;
/**
 * Copies the files of a backup to their places, all but the control file, and links the tablespaces. Modes and times are kept, symbolic
 * links are copied as links and never followed, existing files are never overwritten. A failed attempt is repeated as often as asked for.
 * @throws OperatorError `file-unwritable`, `file-unreadable`, `interrupted` or `backup-not-usable`
 */
export async function copyTree(options: CopyOptions, context: CopyContext): Promise<void> {
  await withRetries(options, context, (isRepeated) => copyOnce(options, isRepeated, context));
}

/**
 * Puts the control file in place and makes it durable. PostgreSQL does not start without it, so as long as this is the last step, a
 * restore that was cut short can never be taken for a finished one.
 */
export async function copyControlFile({ source, destination }: Pick<DestinationPlan, 'source' | 'destination'>): Promise<void> {
  const from = join(source, controlFile);
  const to = join(destination, controlFile);
  await doing(`copy ${from} to ${to}`, async () => {
    const found = await lstat(from);
    if (!found.isFile()) throw new OperatorError('backup-not-usable', `${from} is not a regular file`);
    await copyFile(from, to, constants.COPYFILE_EXCL);
    await utimes(to, found.atime, found.mtime);
    for (const path of [to, join(destination, 'global')]) {
      await using file = await open(path, 'r');
      await file.sync();
    }
  });
}

async function copyOnce(
  { plan, totalBytes, jobs, kilobytesPerSecond }: CopyOptions,
  isRepeated: boolean,
  context: CopyContext,
): Promise<void> {
  const copier = new Copier({ kilobytesPerSecond, isRepeated, jobs }, context);
  context.progress.begin({ label: 'Copying files', totalBytes });
  try {
    for (const { source, location } of plan.tablespaces)
      await copier.copyFolder({ source, destination: location, isDataFolder: false });
    const knownOids = new Set(plan.tablespaces.map(({ oid }) => String(oid)));
    await copier.copyFolder({ source: plan.source, destination: plan.destination, isDataFolder: true, knownOids });
    await linkTablespaces(plan, isRepeated);
    await copier.finishFolders();
    await copier.finishWriting();
  } finally {
    copier.writeNoMore();
    context.progress.end();
  }
}

interface TreeRoot {
  readonly source: string;
  readonly destination: string;
  readonly isDataFolder: boolean;
  readonly knownOids?: ReadonlySet<string>;
}

class Copier {
  readonly #isRepeated: boolean;
  readonly #concurrentFiles: number;
  readonly #context: CopyContext;
  readonly #folders: { readonly path: string; readonly stats: Stats; readonly isRoot: boolean }[] = [];
  readonly #throttle: Throttle;
  readonly #written = new EarlyWriting();
  #doneBytes = 0;

  constructor(
    how: { readonly kilobytesPerSecond: number; readonly isRepeated: boolean; readonly jobs: number },
    context: CopyContext,
  ) {
    this.#isRepeated = how.isRepeated;
    this.#concurrentFiles = concurrentFiles * how.jobs;
    this.#context = context;
    this.#throttle = new Throttle(how.kilobytesPerSecond, context);
  }

  async copyFolder(root: TreeRoot): Promise<void> {
    const concurrency = this.#throttle.isUnlimited ? this.#concurrentFiles : 1;
    await forEachConcurrently(this.#makeFolders(root), concurrency, (entry) => this.#copyEntry(root, entry));
  }

  /** Modes and times of folders, from the innermost out: writing into a folder changes its time. */
  async finishFolders(): Promise<void> {
    for (const { path, stats, isRoot } of this.#folders.toReversed()) {
      await doing(`set the mode of ${path}`, async () => {
        await chmod(onDisk(path), isRoot ? rootMode(stats.mode) : stats.mode & 0o777);
        await utimes(onDisk(path), stats.atime, stats.mtime);
      });
    }
  }

  /** @throws OperatorError `file-unwritable` when a file could not be written to the disk */
  async finishWriting(): Promise<void> {
    await this.#written.finish();
  }

  writeNoMore(): void {
    this.#written.stop();
  }

  /** Files and links of a tree; folders are made on the way. */
  async *#makeFolders(root: TreeRoot): AsyncGenerator<TreeEntry> {
    for await (const entry of walkTree(root)) {
      if (!entry.stats.isDirectory()) {
        yield entry;
        continue;
      }
      const path = join(root.destination, entry.path);
      const isRoot = entry.path === '';
      if (isRoot) await doing(`make the folder ${path}`, () => mkdir(path, { recursive: true, mode: 0o700 }));
      else await makeFolder(path);
      this.#folders.push({ path, stats: entry.stats, isRoot });
    }
  }

  async #copyEntry(root: TreeRoot, { path, stats }: TreeEntry): Promise<void> {
    throwIfInterrupted(this.#context.signal);
    const from = join(root.source, path);
    const to = join(root.destination, path);
    await doing(`copy ${from} to ${to}`, async () => {
      if (stats.isSymbolicLink()) await this.#copyLink(root, path);
      else if (stats.isFile()) await this.#copyFile(from, to, stats);
      else this.#context.messages.warning(`${from} is neither file, folder nor link and is left out`);
    });
  }

  async #copyFile(from: string, to: string, stats: Stats): Promise<void> {
    if (this.#isRepeated) await rm(onDisk(to), { force: true });
    if (!this.#throttle.isUnlimited) await this.#copySlowly(from, to, stats);
    else {
      await copyFile(onDisk(from), onDisk(to), constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      this.#advance(stats.size);
    }
    await utimes(onDisk(to), stats.atime, stats.mtime);
    if (stats.size >= largeBytes) this.#written.add(to);
  }

  async #copySlowly(from: string, to: string, stats: Stats): Promise<void> {
    await using source = await open(onDisk(from), 'r');
    await using target = await open(onDisk(to), 'wx', stats.mode & 0o777);
    const buffer = Buffer.alloc(chunkBytes);
    for (;;) {
      const { bytesRead } = await source.read(buffer, 0, chunkBytes, null);
      if (bytesRead === 0) break;
      await target.writeFile(buffer.subarray(0, bytesRead));
      this.#advance(bytesRead);
      await this.#throttle.take(bytesRead);
    }
    await target.chmod(stats.mode & 0o777);
  }

  async #copyLink({ source, destination, isDataFolder }: TreeRoot, path: string): Promise<void> {
    if (isDataFolder && path.startsWith('pg_tblspc/')) {
      throw new OperatorError(
        'backup-not-usable',
        `the record of the backup does not name the tablespace ${join(source, path)}`,
        {
          hint: 'a restored server would write into the target of that link',
        },
      );
    }
    if (isDataFolder && emptiedFolders.has(path)) {
      await makeFolder(join(destination, path));
      return;
    }
    if (isDataFolder && realFolders.has(path)) {
      throw new OperatorError('backup-not-usable', `${join(source, path)} is a symbolic link where PostgreSQL has a folder`);
    }
    const link = onDisk(join(destination, path));
    if (this.#isRepeated) await rm(link, { force: true });
    await symlink(await readlink(onDisk(join(source, path)), 'buffer'), link);
  }

  #advance(bytes: number): void {
    this.#doneBytes += bytes;
    this.#context.progress.advance(this.#doneBytes);
  }
}

/**
 * Writes files to the disk, one after the other, while more are copied: the kernel would begin only when all are synced at the end, and the
 * disk would have nothing to do until then. What is left of them at the end is left to that.
 */
class EarlyWriting {
  #last: Promise<void> = Promise.resolve();
  #isOver = false;

  add(path: string): void {
    this.#last = this.#last.then(async () => {
      if (!this.#isOver) await doing(`write ${path} to the disk`, () => syncFile(path));
    });
    this.#last.catch(() => undefined); // told at the end
  }

  stop(): void {
    this.#isOver = true;
  }

  async finish(): Promise<void> {
    this.stop();
    await this.#last;
  }
}

/** PostgreSQL refuses a data folder that others may write to or look into. */
function rootMode(mode: number): number {
  return (mode & 0o777) === 0o750 ? 0o750 : 0o700;
}

async function makeFolder(path: string): Promise<void> {
  await doing(`make the folder ${path}`, async () => {
    try {
      await mkdir(onDisk(path), { mode: 0o700 });
    } catch (error) {
      if (systemCodeOf(error) !== 'EEXIST' || !(await lstat(onDisk(path))).isDirectory()) throw error;
    }
  });
}

/** Links the tablespaces of a data folder to their places. */
export async function linkTablespaces({ destination, tablespaces }: CopyOptions['plan'], isRepeated: boolean): Promise<void> {
  if (tablespaces.length === 0) return;
  const folder = join(destination, 'pg_tblspc');
  await makeFolder(folder);
  for (const { oid, location } of tablespaces) {
    const link = join(folder, String(oid));
    if (isRepeated) await rm(link, { force: true });
    await doing(`link ${link} to ${location}`, () => symlink(location, link));
  }
}

/** Turns a failure of the file system into one line that says what was being done. */
async function doing<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = systemCodeOf(error);
    if (error instanceof OperatorError || code === undefined || code === 'ABORT_ERR') throw error;
    throw new OperatorError(what.startsWith('read') ? 'file-unreadable' : 'file-unwritable', `cannot ${what}: ${code}`, {
      cause: error,
    });
  }
}
