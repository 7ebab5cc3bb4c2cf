import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { archivedWalPath } from '../catalog/archive-layout.ts';
import type { WalEntry } from '../catalog/wal-entry.ts';
import { WalIndex } from '../catalog/wal-index.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, formOf, storageOf } from '../encryption/stored-wal.ts';
import { walHookVariables } from '../hooks/hook-variables.ts';
import { hasHooks, runPostHooks, runPreHooks } from '../hooks/run-hooks.ts';
import type { Context } from '../shared/context.ts';
import { syncFolder } from '../shared/durable-file.ts';
import { forEachAtOnce } from '../shared/for-each-at-once.ts';
import { pathExists, sizeAndTime } from '../shared/look.ts';
import { expectedFailureOf, messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { WalName } from '../wal/wal-name.ts';
import { holdSameWal } from './compare-wals.ts';
import { channelFolder, listArrivals } from './list-arrivals.ts';
import { type ArrivalChannel, planArrivals } from './plan-arrivals.ts';
import { discardPrepared, type PreparedWal, prepareWal } from './prepare-wal.ts';
import { rejectWal } from './reject-wal.ts';

/** Files that share one visit to the index: fewer locks and syncs, and little to do again after a crash. */
const filesAtOnce = 16;
/** Failures that are told one by one in the log; of a common reason for all there can be thousands. */
const mostToldFailures = 10;
/** What no file can be archived without: going on with the next one would fail, too. */
const exhaustion = ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE'];

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
  /** Files that are compressed and encrypted at the same time: one for each core. */
  readonly preparedAtOnce: number;
  /** Told of each outcome as it is certain. */
  readonly onOutcome?: (outcome: ArrivalOutcome) => void;
  /** Told before the first file, with the number of files of a batch that leaves others for later. */
  readonly onStart?: (start: { readonly fileCount: number; readonly limitedTo: number | undefined }) => void;
}

/** A file that stays where it arrived, and why. */
interface LeftWal {
  readonly name: WalName;
  readonly error: unknown;
}

/**
 * Archives what lies in a channel's folder. A file is acknowledged, by the removal of its source, when it is renamed into the archive,
 * synced and indexed. A file that cannot be archived stays, and the others are archived nevertheless. The caller holds the archive-wal
 * lock.
 * @returns how many files were taken; aborting ends the run after the files under way
 * @throws OperatorError at the end, for files that stay; at once when there is no room or no disk
 */
export async function archiveArrivals(options: ArchivingOptions, context: Context): Promise<number> {
  const { server, channel, batchSize, preparedAtOnce } = options;
  const plan = planArrivals(await listArrivals(server.layout, channel), channel, batchSize);
  const fileCount = plan.archive.length + plan.unknown.length;
  options.onStart?.({ fileCount, limitedTo: plan.leftCount > 0 ? plan.archive.length : undefined });
  const atOnce = hasHooks(server, 'archive') ? 1 : Math.max(filesAtOnce, preparedAtOnce);
  const left: LeftWal[] = [];
  for (let start = 0; start < plan.archive.length; start += atOnce) {
    context.signal.throwIfAborted();
    const { isWanted, left: leftNow } = await archiveBatch(plan.archive.slice(start, start + atOnce), options, context);
    left.push(...leftNow);
    if (!isWanted) {
      throwFor(left, context);
      return start;
    }
  }
  for (const name of plan.unknown) {
    const source = join(channelFolder(server.layout, channel), name);
    const movedTo = await rejectWal(server.layout, source, { reason: 'unknown', now: context.clock.now() });
    options.onOutcome?.({ kind: 'unknown', name, movedTo });
  }
  throwFor(left, context);
  return fileCount;
}

function throwFor(left: readonly LeftWal[], { log }: Context): void {
  const [first] = left;
  if (first === undefined) return;
  for (const { name, error } of left.slice(0, mostToldFailures)) log.error(`${name} was not archived: ${messageOf(error)}`);
  const expected = expectedFailureOf(first.error);
  if (expected === undefined) throw first.error;
  const others = left.length === 1 ? '' : ` (the first of ${String(left.length)} files that stay where they arrived)`;
  throw new OperatorError(expected.code, `${first.name}${others} was not archived: ${expected.message}`, {
    ...(expected.hint === undefined ? {} : { hint: expected.hint }),
    cause: first.error,
  });
}

interface BatchResult {
  /** False when a hook asked to stop. */
  readonly isWanted: boolean;
  readonly left: readonly LeftWal[];
}

async function archiveBatch(names: readonly WalName[], options: ArchivingOptions, context: Context): Promise<BatchResult> {
  const { server, channel } = options;
  if (!hasHooks(server, 'archive')) return { isWanted: true, left: (await storeBatch(names, options, context)).left };
  const left: LeftWal[] = [];
  for (const name of names) {
    const source = join(channelFolder(server.layout, channel), name);
    const variables = await variablesOf(name, source, await compressionOfArrival(server, source));
    if ((await runPreHooks({ server, event: 'archive', variables }, context)) === 'stop') {
      await runPostHooks({ server, event: 'archive', variables }, context);
      return { isWanted: false, left };
    }
    const { outcome, compression, failure, isFatal } = await storeOne(name, options, context);
    const isArchived = outcome?.kind === 'archived';
    const after = isArchived ? await variablesOf(name, archivedWalPath(server.layout, name), compression) : variables;
    const error = failure === undefined ? (outcome?.kind === 'duplicate' ? duplicateText(name) : '') : messageOf(failure);
    await runPostHooks({ server, event: 'archive', variables: after, error }, context);
    if (isFatal) throw failure;
    if (failure !== undefined) left.push({ name, error: failure });
  }
  return { isWanted: true, left };
}

interface StoredOne {
  readonly outcome: ArrivalOutcome | undefined;
  /** Name of the compression that it was stored with. */
  readonly compression: string | null;
  readonly failure: unknown;
  /** The failure is not about this file alone. */
  readonly isFatal: boolean;
}

async function storeOne(name: WalName, options: ArchivingOptions, context: Context): Promise<StoredOne> {
  try {
    const { outcomes, left, entries } = await storeBatch([name], options, context);
    const compression = entries[0]?.compression ?? null;
    return { outcome: outcomes[0], compression, failure: left[0]?.error, isFatal: false };
  } catch (failure) {
    return { outcome: undefined, compression: null, failure, isFatal: true };
  }
}

/** What became of one file before anything is renamed into the archive. */
type Taken =
  | { readonly kind: 'prepared'; readonly prepared: PreparedWal }
  | { readonly kind: 'settled'; readonly outcome: ArrivalOutcome }
  | { readonly kind: 'vanished' }
  | { readonly kind: 'failed'; readonly name: WalName; readonly error: unknown };

interface StoredBatch {
  readonly outcomes: readonly ArrivalOutcome[];
  readonly left: readonly LeftWal[];
  readonly entries: readonly WalEntry[];
}

/** Prepares files on all cores and enters them in the order of their names. */
async function storeBatch(names: readonly WalName[], options: ArchivingOptions, context: Context): Promise<StoredBatch> {
  const { server, preparedAtOnce } = options;
  const results = await takeAll(names, options, context);
  const exhausted = results.find(isExhausted);
  const end = exhausted === undefined ? names.length : results.indexOf(exhausted);
  const whole = results.slice(0, end);
  // what was ready before its forerunners comes again after them, so that the index stays in order
  for (const { prepared } of results.slice(end).filter(isPrepared)) await discardPrepared(prepared);
  await commit(
    server,
    whole.filter(isPrepared).map(({ prepared }) => prepared),
  );
  const outcomes = [...whole, ...results.slice(end).filter((taken) => taken.kind === 'settled')].flatMap(outcomeOf);
  for (const outcome of outcomes) {
    if (outcome.kind === 'duplicate') context.log.warning(`${duplicateText(outcome.name)}; it was moved to ${outcome.movedTo}`);
    options.onOutcome?.(outcome);
  }
  const left = whole.filter((taken) => taken.kind === 'failed');
  const entries = whole.filter(isPrepared).map(({ prepared: { entry } }) => entry);
  if (exhausted === undefined) return { outcomes, left, entries };
  const isStuck = outcomes.length === 0;
  if (isStuck && preparedAtOnce === 1) throw exhausted.error;
  // the sources that are gone now made room: a disk too full for a whole batch must not keep the archiver from going on
  const again = isStuck ? { ...options, preparedAtOnce: 1 } : options;
  const rest = await storeBatch(names.slice(end), again, context);
  return {
    outcomes: [...outcomes, ...rest.outcomes],
    left: [...left, ...rest.left],
    entries: [...entries, ...rest.entries],
  };
}

/** In the order of the names; begins no new file once something is exhausted, and then gives fewer. */
async function takeAll(names: readonly WalName[], options: ArchivingOptions, context: Context): Promise<Taken[]> {
  const results: Taken[] = [];
  function* untilExhausted(): Generator<[number, WalName]> {
    for (const entry of names.entries()) {
      if (results.some(isExhausted)) return;
      yield entry;
    }
  }
  await forEachAtOnce(untilExhausted(), options.preparedAtOnce, async ([at, name]) => {
    results[at] = await take(name, options, context);
  });
  return results;
}

async function take(name: WalName, { server, channel }: ArchivingOptions, context: Context): Promise<Taken> {
  const source = join(channelFolder(server.layout, channel), name);
  try {
    if (await pathExists(archivedWalPath(server.layout, name)))
      return { kind: 'settled', outcome: await settleExisting(server, name, source, context) };
    if (!(await pathExists(source))) return { kind: 'vanished' };
    return { kind: 'prepared', prepared: await prepareWal(server, name, source) };
  } catch (error) {
    return { kind: 'failed', name, error };
  }
}

function outcomeOf(taken: Taken): ArrivalOutcome[] {
  if (taken.kind === 'settled') return [taken.outcome];
  return taken.kind === 'prepared' ? [{ kind: 'archived', name: taken.prepared.entry.name }] : [];
}

function isPrepared(taken: Taken): taken is Extract<Taken, { kind: 'prepared' }> {
  return taken.kind === 'prepared';
}

function isExhausted(taken: Taken | undefined): taken is Extract<Taken, { kind: 'failed' }> {
  if (taken?.kind !== 'failed') return false;
  const { error } = taken;
  const code = systemCodeOf(error) ?? (error instanceof Error ? systemCodeOf(error.cause) : undefined);
  return code !== undefined && exhaustion.includes(code);
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
  const { compression, encryption } = await formOf(destination, storageOf(server));
  const entry: WalEntry = { name, size, time, compression: compression ?? null, encryption: encryption ?? null };
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

/** Null also for a file that cannot be read: what is wrong with it is told when it is to be stored. */
async function compressionOfArrival(server: Server, source: string): Promise<string | null> {
  try {
    return (await formOf(source, arrivalsOf(storageOf(server)))).compression ?? null;
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return null;
  }
}

async function variablesOf(segment: string, file: string, compression: string | null): Promise<Record<string, string>> {
  const { size, time } = await sizeAndTime(file);
  return { ...walHookVariables({ segment, file, sizeBytes: size, epochSeconds: time, compression }) };
}
