import { join } from 'node:path';
import type { Context } from '../../shared/context.ts';
import type { Environment } from '../../shared/environment.ts';
import { forEachConcurrently } from '../../shared/for-each-concurrently.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import type { Timestamp } from '../../shared/timestamp.ts';
import { type RsyncTask, runRsync } from '../../transport/rsync/run-rsync.ts';
import type { SharedLogin } from '../../transport/ssh/shared-login.ts';
import { asideWalFolder, clearLinkedWal } from '../content/linked-folders.ts';
import {
  controlFile,
  emptiedFolders,
  type KeptLink,
  leftOutFiles,
  strangersOfTablespace,
  walFolders,
} from '../content/restored-files.ts';
import { walkTree } from '../content/walk-tree.ts';
import type { RestoreHost } from '../host/restore-host.ts';
import type { DestinationPlan } from '../plan/plan-destination.ts';

export interface Sending {
  /** Where the trees are: in the catalog, or built in a staging folder; the tablespaces' `source` is theirs. */
  readonly places: Pick<DestinationPlan, 'source' | 'destination' | 'tablespaces'>;
  readonly restoreHost: RestoreHost;
  /** How the destination is reached; undefined for this host. */
  readonly login: SharedLogin | undefined;
  /** Files that are there are brought to the state of the source, what is not in it is removed. */
  readonly isDelta: boolean;
  /** Folders of the destination that stay where they are; undefined is none. */
  readonly keptLinks?: readonly KeptLink[] | undefined;
  /** Files that were written to since then are compared by content; undefined compares by size and time only. */
  readonly safeHorizon: Timestamp | undefined;
  readonly jobs: number;
  /** At most so many rsync are started in so many seconds. */
  readonly jobsStartBatchSize: number;
  readonly jobsStartBatchPeriodSeconds: number;
  readonly compresses: boolean;
  readonly kilobytesPerSecond: number;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
  readonly totalBytes: number;
  readonly environment: Environment;
}

/**
 * Brings trees to their destination with rsync: on another host, or onto files that are there (docs/reference/engine.md section 12.5). The control file of an older cluster
 * goes first and the new one is left out, so what a crash leaves cannot be started.
 * @throws OperatorError `command-failed`, `ssh-failed`, `file-unreadable` or `interrupted`
 */
export async function sendTrees(sending: Sending, context: Context): Promise<void> {
  const { places, restoreHost, totalBytes } = sending;
  if (sending.isDelta) await retireCluster(sending);
  for (const path of [places.destination, ...places.tablespaces.map(({ location }) => location)])
    await restoreHost.makeFolder(path);
  context.progress.begin({ label: 'Copying files', totalBytes });
  const sender = new Sender(sending, context);
  try {
    for (const { source, location } of places.tablespaces)
      await sender.send({ source, destination: location, isDataFolder: false });
    await sender.send({ source: places.source, destination: places.destination, isDataFolder: true });
  } finally {
    context.progress.end();
  }
  await linkThere(restoreHost, places);
}

/** Links the tablespaces of a data folder on the host of the destination to their places. */
export async function linkThere(
  restoreHost: RestoreHost,
  { destination, tablespaces }: Pick<DestinationPlan, 'destination' | 'tablespaces'>,
): Promise<void> {
  await restoreHost.makeFolder(join(destination, 'pg_tblspc'));
  for (const { oid, location } of tablespaces) await restoreHost.link(location, join(destination, 'pg_tblspc', String(oid)));
}

/** Sends the control file: the last step of all. */
export async function sendControlFile(sending: Sending, context: Context): Promise<void> {
  const { places, restoreHost } = sending;
  const folder = join(places.destination, 'global');
  const job = { ...baseJob(sending), source: join(places.source, 'global'), destination: folder, files: ['pg_control'] };
  await runRsync({ ...job, compares: 'nothing' }, { ...sending, isSourceStill: true }, context);
  if ((await restoreHost.find(join(places.destination, controlFile))) === undefined) {
    throw new OperatorError('backup-not-usable', `${join(places.source, controlFile)} is missing`);
  }
  await restoreHost.sync([join(places.destination, controlFile), folder]);
}

/** Takes the means to start from an older cluster, and keeps the WAL that only it may have. */
async function retireCluster({ places, restoreHost, keptLinks = [] }: Sending): Promise<void> {
  const { destination } = places;
  await restoreHost.remove(join(destination, controlFile));
  const linked = keptLinks.filter(({ name }) => walFolders.has(name));
  for (const link of linked) await clearLinkedWal(restoreHost, link);
  if (linked.length > 0) return;
  const aside = join(destination, asideWalFolder);
  const wal = join(destination, 'pg_wal');
  const isFirst = (await restoreHost.find(aside)) === undefined;
  if (isFirst && (await restoreHost.find(wal)) !== undefined) await restoreHost.rename(wal, aside);
}

interface Tree {
  readonly source: string;
  readonly destination: string;
  readonly isDataFolder: boolean;
}

interface SizedFile {
  readonly path: string;
  readonly size: number;
}

class Sender {
  readonly #sending: Sending;
  readonly #context: Context;
  #doneBytes = 0;

  constructor(sending: Sending, context: Context) {
    this.#sending = sending;
    this.#context = context;
  }

  /** Lists of files first, several concurrently; then the whole tree, which has little left to do but folders, links and what has to go. */
  async send(tree: Tree): Promise<void> {
    const { jobs, isDelta } = this.#sending;
    const { young, others } = await this.#filesOf(tree);
    if (young.length > 0) await this.#sendLists(tree, dealt(young, jobs), 'content');
    if (jobs > 1) await this.#sendLists(tree, dealt(others, jobs), 'size-and-time');
    await this.#run({ ...this.#jobFor(tree), deletes: isDelta });
  }

  async #filesOf(tree: Tree): Promise<{ young: SizedFile[]; others: SizedFile[] }> {
    const { safeHorizon, isDelta, jobs, places } = this.#sending;
    const horizonMs =
      isDelta && safeHorizon !== undefined ? Number(safeHorizon.epochMicros / 1000n) - 2000 : Number.POSITIVE_INFINITY;
    const young: SizedFile[] = [];
    const others: SizedFile[] = [];
    if (horizonMs === Number.POSITIVE_INFINITY && jobs === 1) return { young, others };
    const knownOids = new Set(places.tablespaces.map(({ oid }) => String(oid)));
    for await (const { path, stats } of walkTree({ ...tree, knownOids })) {
      if (!stats.isFile()) continue;
      (stats.mtimeMs >= horizonMs ? young : others).push({ path, size: stats.size });
    }
    return { young, others };
  }

  async #sendLists(
    tree: Tree,
    lists: readonly (readonly string[])[],
    compares: NonNullable<RsyncTask['compares']>,
  ): Promise<void> {
    const { jobs, jobsStartBatchSize, jobsStartBatchPeriodSeconds } = this.#sending;
    let started = 0;
    await forEachConcurrently(lists, jobs, async (files) => {
      const batch = Math.floor(started++ / Math.max(jobsStartBatchSize, 1));
      if (batch > 0) await this.#context.clock.sleep(batch * jobsStartBatchPeriodSeconds * 1000, this.#context.signal);
      await this.#run({ ...baseJob(this.#sending), source: tree.source, destination: tree.destination, files, compares });
    });
  }

  #jobFor({ source, destination, isDataFolder }: Tree): RsyncTask {
    const oids = this.#sending.places.tablespaces.map(({ oid }) => `/pg_tblspc/${String(oid)}`);
    const exclude = [...[...emptiedFolders].map((folder) => `/${folder}/*`), ...[...leftOutFiles].map((file) => `/${file}`)];
    const kept = (this.#sending.keptLinks ?? []).map(({ name }) => `/${name}`);
    const filters = isDataFolder
      ? { exclude, protect: [`/${controlFile}`, `/${asideWalFolder}`, ...kept, ...oids] }
      : { protect: strangersOfTablespace };
    return { ...baseJob(this.#sending), source, destination, filters };
  }

  async #run(job: RsyncTask): Promise<void> {
    const before = this.#doneBytes;
    const onProgress = (bytes: number): void => {
      this.#doneBytes = Math.max(this.#doneBytes, before + bytes);
      this.#context.progress.advance(this.#doneBytes);
    };
    await runRsync(job, { ...this.#sending, isSourceStill: true, onProgress }, this.#context);
  }
}

/** The settings that all jobs of one restore share. */
export function baseJob({ login, compresses, kilobytesPerSecond }: Sending): Omit<RsyncTask, 'source' | 'destination'> {
  return {
    remote: login === undefined ? undefined : { side: 'destination', login },
    symbolicLinks: 'keep',
    compresses,
    kilobytesPerSecond,
  };
}

/** As many lists of about the same size; the largest files are dealt first. */
function dealt(files: readonly SizedFile[], count: number): string[][] {
  const lists = Array.from({ length: count }, () => ({ size: 0, paths: [] as string[] }));
  for (const { path, size } of files.toSorted((a, b) => b.size - a.size)) {
    const [smallest] = lists.toSorted((a, b) => a.size - b.size);
    if (smallest === undefined) break;
    smallest.size += size;
    smallest.paths.push(path);
  }
  return lists.map(({ paths }) => paths).filter((paths) => paths.length > 0);
}
