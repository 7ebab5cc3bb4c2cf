import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { archivedWalPath } from '../catalog/archive-layout.ts';
import type { WalEntry } from '../catalog/wal-entry.ts';
import { WalIndex } from '../catalog/wal-index.ts';
import { detectCompressionOf } from '../compression/all-codecs.ts';
import type { Server } from '../config/server.ts';
import { walHookVariables } from '../hooks/hook-variables.ts';
import { hasHooks, runPostHooks, runPreHooks } from '../hooks/run-hooks.ts';
import type { Context } from '../shared/context.ts';
import { syncFolder } from '../shared/durable-file.ts';
import { pathExists, sizeAndTime } from '../shared/look.ts';
import { messageOf } from '../shared/operator-error.ts';
import type { WalName } from '../wal/wal-name.ts';
import { holdSameWal } from './compare-wals.ts';
import { channelFolder, listArrivals } from './list-arrivals.ts';
import { type ArrivalChannel, planArrivals } from './plan-arrivals.ts';
import { type PreparedWal, prepareWal } from './prepare-wal.ts';
import { rejectWal } from './reject-wal.ts';

/** Files that share one visit to the index: fewer locks and syncs, and little to do again after a crash. */
const filesAtOnce = 16;

/** What happened to one file. */
export type ArrivalOutcome =
  | { readonly kind: 'archived'; readonly name: string }
  | { readonly kind: 'known-already'; readonly name: string }
  | { readonly kind: 'duplicate'; readonly name: string; readonly movedTo: string }
  | { readonly kind: 'unknown'; readonly name: string; readonly movedTo: string };

interface ArchivingOptions {
  readonly server: Server;
  readonly channel: ArrivalChannel;
  readonly batchSize: number;
  /** Told of each outcome as it is certain. */
  readonly onOutcome?: (outcome: ArrivalOutcome) => void;
  /** Told before the first file, with the number of files of a batch that leaves others for later. */
  readonly onStart?: (start: { readonly fileCount: number; readonly limitedTo: number | undefined }) => void;
}

/**
 * Archives what lies in a channel's folder. A file is acknowledged, by the removal of its source, when it is renamed into the archive,
 * synced and indexed. The caller holds the archive-wal lock.
 * @returns how many files were taken; aborting ends the run after the files under way
 */
export async function archiveArrivals(options: ArchivingOptions, context: Context): Promise<number> {
  const { server, channel, batchSize } = options;
  const plan = planArrivals(await listArrivals(server.layout, channel), channel, batchSize);
  const fileCount = plan.archive.length + plan.unknown.length;
  options.onStart?.({ fileCount, limitedTo: plan.leftCount > 0 ? plan.archive.length : undefined });
  const atOnce = hasHooks(server, 'archive') ? 1 : filesAtOnce;
  for (let start = 0; start < plan.archive.length; start += atOnce) {
    context.signal.throwIfAborted();
    const isWanted = await archiveBatch(plan.archive.slice(start, start + atOnce), options, context);
    if (!isWanted) return start;
  }
  for (const name of plan.unknown) {
    const source = join(channelFolder(server.layout, channel), name);
    const movedTo = await rejectWal(server.layout, source, { reason: 'unknown', now: context.clock.now() });
    options.onOutcome?.({ kind: 'unknown', name, movedTo });
  }
  return fileCount;
}

/** False when a hook asked to stop. */
async function archiveBatch(names: readonly WalName[], options: ArchivingOptions, context: Context): Promise<boolean> {
  const { server, channel } = options;
  if (!hasHooks(server, 'archive')) {
    await storeBatch(names, options, context);
    return true;
  }
  for (const name of names) {
    const source = join(channelFolder(server.layout, channel), name);
    const variables = await variablesOf(name, source);
    if ((await runPreHooks({ server, event: 'archive', variables }, context)) === 'stop') {
      await runPostHooks({ server, event: 'archive', variables }, context);
      return false;
    }
    let outcome: ArrivalOutcome | undefined;
    let failure: Error | undefined;
    try {
      [outcome] = await storeBatch([name], options, context);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    const isArchived = outcome?.kind === 'archived';
    const after = isArchived ? await variablesOf(name, archivedWalPath(server.layout, name)) : variables;
    const error = failure === undefined ? (outcome?.kind === 'duplicate' ? duplicateText(name) : '') : messageOf(failure);
    await runPostHooks({ server, event: 'archive', variables: after, error }, context);
    if (failure !== undefined) throw failure;
  }
  return true;
}

async function storeBatch(names: readonly WalName[], options: ArchivingOptions, context: Context): Promise<ArrivalOutcome[]> {
  const { server, channel } = options;
  const outcomes: ArrivalOutcome[] = [];
  const prepared: PreparedWal[] = [];
  let failure: { readonly at: number; readonly error: unknown } | undefined;
  for (const [at, name] of names.entries()) {
    const source = join(channelFolder(server.layout, channel), name);
    try {
      if (await pathExists(archivedWalPath(server.layout, name)))
        outcomes.push(await settleExisting(server, name, source, context));
      else if (await pathExists(source)) prepared.push(await prepareWal(server, name, source));
    } catch (error) {
      failure = { at, error };
      break;
    }
  }
  await commit(server, prepared);
  outcomes.push(...prepared.map(({ entry: { name } }) => ({ kind: 'archived', name }) as const));
  for (const outcome of outcomes) {
    if (outcome.kind === 'duplicate') context.log.warning(`${duplicateText(outcome.name)}; it was moved to ${outcome.movedTo}`);
    options.onOutcome?.(outcome);
  }
  if (failure === undefined) return outcomes;
  if (outcomes.length === 0) throw failure.error;
  // the sources that are gone now made room: a disk too full for a whole batch must not keep the archiver from going on
  return [...outcomes, ...(await storeBatch(names.slice(failure.at), options, context))];
}

/** The name is taken. The same content is dropped, after the index surely knows it; other content never replaces what is there. */
async function settleExisting(server: Server, name: WalName, source: string, context: Context): Promise<ArrivalOutcome> {
  const destination = archivedWalPath(server.layout, name);
  if (!(await holdSameWal(server, source, destination))) {
    const movedTo = await rejectWal(server.layout, source, { reason: 'duplicate', now: context.clock.now() });
    return { kind: 'duplicate', name, movedTo };
  }
  await indexIfMissing(server, name, destination);
  await rm(source, { force: true });
  await syncFolder(dirname(source));
  return { kind: 'known-already', name };
}

/** A crash after the rename leaves a file that the index does not name: it would never be restored, and never removed. */
async function indexIfMissing(server: Server, name: WalName, destination: string): Promise<void> {
  await using index = await WalIndex.open(server.layout);
  if (await index.has(name)) return;
  const { size, time } = await sizeAndTime(destination);
  const compression = (await detectCompressionOf(destination)) ?? null;
  const entry: WalEntry = { name, size, time, compression, encryption: null };
  await syncFolder(dirname(destination));
  await index.append([entry]);
}

/** Renames into the archive, syncs, indexes, and only then lets the sources go. */
async function commit(server: Server, prepared: readonly PreparedWal[]): Promise<void> {
  if (prepared.length === 0) return;
  {
    await using index = await WalIndex.open(server.layout);
    for (const { temporary, destination } of prepared) await rename(temporary, destination);
    for (const folder of new Set(prepared.map(({ destination }) => dirname(destination)))) await syncFolder(folder);
    await syncFolder(server.layout.wals);
    await index.append(prepared.map(({ entry }) => entry));
  }
  for (const { source } of prepared) await rm(source, { force: true });
  for (const folder of new Set(prepared.map(({ source }) => dirname(source)))) await syncFolder(folder);
}

function duplicateText(name: string): string {
  return `${name} is already archived with other content`;
}

async function variablesOf(segment: string, file: string): Promise<Record<string, string>> {
  const { size, time } = await sizeAndTime(file);
  const compression = (await detectCompressionOf(file)) ?? null;
  return { ...walHookVariables({ segment, file, sizeBytes: size, epochSeconds: time, compression }) };
}
