import { chmod, link, lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../shared/context.ts';
import type { Environment } from '../shared/environment.ts';
import { forEachAtOnce } from '../shared/for-each-at-once.ts';
import { isMissing } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { Host } from '../transport/host.ts';
import { runRsync } from '../transport/run-rsync.ts';
import { listSource, type SourceFile, type SourceListing } from './list-source.ts';
import { type CopyPlan, dealFiles, planCopy, type ReferenceFile } from './plan-copy.ts';
import { startInBatches } from './start-in-batches.ts';

/** A folder of the cluster and its place in the backup. */
export interface CopyItem {
  /** For messages and statistics: the tablespace's name, or `pgdata`. */
  readonly label: string;
  /** Absolute path on the server's host. */
  readonly source: string;
  /** Absolute path in the backup. */
  readonly destination: string;
  readonly include?: readonly string[];
  readonly exclude: readonly string[];
  /** Where the backup before has the same folder. */
  readonly reference: string | undefined;
  /** 0 for no limit. */
  readonly kilobytesPerSecond: number;
}

export interface CopyClusterOptions {
  readonly host: Host;
  /** `ssh_command`; undefined when the server runs here. */
  readonly sshCommand: string | undefined;
  readonly environment: Environment;
  readonly items: readonly CopyItem[];
  readonly reuse: 'copy' | 'link' | undefined;
  readonly horizonSeconds: number | undefined;
  readonly compresses: boolean;
  readonly jobs: number;
  readonly batchSize: number;
  readonly batchSeconds: number;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
}

/** What was done, for statistics, for syncing and for verifying. */
export interface CopiedItem {
  readonly item: CopyItem;
  readonly listing: SourceListing;
  readonly plan: CopyPlan;
  readonly analysisSeconds: number;
  /** From the first byte to the last, and the sum over all runs of rsync. */
  copySeconds: number;
  serializedSeconds: number;
}

const filesAtOnce = 8;

/**
 * Copies folders of a running cluster: one walk over each, then what did not change is taken from the backup before and the rest is sent by
 * rsync, in parallel where that is asked for. Nothing is synced.
 * @throws OperatorError `command-failed`, `file-unwritable` or `interrupted`
 */
export async function copyCluster(options: CopyClusterOptions, context: Context): Promise<CopiedItem[]> {
  const copied = await Promise.all(options.items.map(async (item) => await prepareItem(item, options, context)));
  const total = copied.flatMap(({ plan }) => [...plan.sent, ...plan.compared]).reduce((sum, { size }) => sum + size, 0);
  context.progress.begin({ label: 'Copying files', totalBytes: total });
  try {
    await send(copied, options, context);
  } finally {
    context.progress.end();
  }
  return copied;
}

async function prepareItem(item: CopyItem, options: CopyClusterOptions, context: Context): Promise<CopiedItem> {
  const startedMs = context.clock.elapsedMs();
  const { host } = options;
  const { source, include, exclude } = item;
  const listing = await listSource({
    host,
    root: source,
    exclude,
    signal: context.signal,
    ...(include === undefined ? {} : { include }),
  });
  const references = await readReferences(item, listing.files);
  const plan = planCopy({
    files: listing.files,
    referenceOf: (path) => references.get(path),
    horizonSeconds: options.horizonSeconds,
  });
  const analysisSeconds = (context.clock.elapsedMs() - startedMs) / 1000;
  await makeFolders(item, listing);
  if (options.reuse === 'link') await linkReused(item, plan);
  return { item, listing, plan, analysisSeconds, copySeconds: 0, serializedSeconds: 0 };
}

async function readReferences({ reference }: CopyItem, files: readonly SourceFile[]): Promise<Map<string, ReferenceFile>> {
  const found = new Map<string, ReferenceFile>();
  if (reference === undefined) return found;
  await forEachAtOnce(files, filesAtOnce, async ({ path }) => {
    try {
      const { size, mode, mtimeNs } = await lstat(join(reference, path), { bigint: true });
      found.set(path, { size: Number(size), mode: Number(mode & 0o7777n), modifiedNs: mtimeNs });
    } catch (error) {
      if (!isMissing(error)) throw error; // it is new since then
    }
  });
  return found;
}

async function makeFolders({ destination }: CopyItem, { folders }: SourceListing): Promise<void> {
  await writing(destination, () => mkdir(destination, { recursive: true, mode: 0o700 }));
  for (const { path, mode } of folders) {
    const folder = join(destination, path);
    if (path !== '') await writing(folder, () => mkdir(folder, { mode: 0o700 }));
    await writing(folder, () => chmod(folder, mode | 0o700)); // we must be able to write into it
  }
}

/** Hard links to what the backup before has. */
async function linkReused({ reference, destination }: CopyItem, { reused }: CopyPlan): Promise<void> {
  if (reference === undefined) return;
  await forEachAtOnce(reused, filesAtOnce, async ({ path }) => {
    const to = join(destination, path);
    await writing(to, async () => {
      await link(join(reference, path), to);
    });
  });
}

/** One run of rsync: files that are sent, compared first, or copied from the backup before, which is here. */
interface Run {
  readonly copied: CopiedItem;
  readonly files: readonly SourceFile[];
  readonly kind: 'sent' | 'compared' | 'reused';
  readonly areSparse: boolean;
}

async function send(copied: readonly CopiedItem[], options: CopyClusterOptions, context: Context): Promise<void> {
  const kinds = options.reuse === 'copy' ? (['reused', 'sent', 'compared'] as const) : (['sent', 'compared'] as const);
  const runs = copied.flatMap((one): Run[] =>
    kinds.flatMap((kind) =>
      [false, true].flatMap((areSparse) => {
        const files = one.plan[kind].filter(({ isSparse }) => isSparse === areSparse);
        return dealFiles(files, options.jobs).map((dealt) => ({ copied: one, files: dealt, kind, areSparse }));
      }),
    ),
  );
  const done = new Map<Run, number>();
  const startedMs = new Map<CopiedItem, number>();
  const stop = new AbortController();
  const signal = AbortSignal.any([context.signal, stop.signal]);
  await startInBatches(runs, { ...options, clock: context.clock, signal }, async (run) => {
    const beganMs = context.clock.elapsedMs();
    if (!startedMs.has(run.copied)) startedMs.set(run.copied, beganMs);
    const sending = sendOne(run, options, {
      ...context,
      signal,
      onProgress: (bytes) => {
        done.set(run, bytes);
        context.progress.advance([...done.values()].reduce((sum, one) => sum + one, 0));
      },
    });
    await sending.catch((error: unknown) => {
      stop.abort(); // one that failed is enough: the others end at once
      throw error;
    });
    const nowMs = context.clock.elapsedMs();
    run.copied.serializedSeconds += (nowMs - beganMs) / 1000;
    run.copied.copySeconds = (nowMs - (startedMs.get(run.copied) ?? nowMs)) / 1000;
  });
}

async function sendOne(
  { copied: { item, plan }, files, kind, areSparse }: Run,
  options: CopyClusterOptions,
  context: Context & { readonly onProgress: (bytes: number) => void },
): Promise<void> {
  const { sshCommand, reuse } = options;
  const { reference, destination } = item;
  const isFromReference = kind === 'reused' && reference !== undefined;
  const isRemote = sshCommand !== undefined && !isFromReference;
  await runRsync(
    {
      source: isFromReference ? reference : item.source,
      destination,
      remote: isRemote ? { side: 'source', sshCommand } : undefined,
      files: files.map(({ path }) => path),
      compares: kind === 'compared' ? 'content' : 'nothing',
      reuse:
        reuse === undefined || reference === undefined || isFromReference || isAllNew(plan)
          ? undefined
          : { kind: reuse, folder: reference },
      symbolicLinks: 'follow',
      // an attempt that failed may have linked a file which then changed: writing in place would change the backup before
      writesInPlace: kind !== 'compared',
      keepsHoles: areSparse,
      compresses: options.compresses && isRemote,
      kilobytesPerSecond: item.kilobytesPerSecond,
    },
    { ...options, onProgress: context.onProgress },
    context,
  );
}

/** The backup before has nothing that could help. */
function isAllNew({ reused, compared }: CopyPlan): boolean {
  return reused.length + compared.length === 0;
}

async function writing(path: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (systemCodeOf(error) === 'EEXIST') return; // an earlier attempt made it
    throw new OperatorError('file-unwritable', `cannot write ${path}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
