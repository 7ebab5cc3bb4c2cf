import { join } from 'node:path';
import { readKnownCluster } from '../catalog/known-cluster.ts';
import { noteHeldArrivals } from '../catalog/wal/stuck-arrivals.ts';
import { storageOf } from '../encryption/stored-wal.ts';
import { hasHooks } from '../hooks/run-hooks.ts';
import type { Context } from '../shared/context.ts';
import { expectedFailureOf, messageOf, OperatorError } from '../shared/operator-error.ts';
import type { WalName } from '../wal/wal-name.ts';
import { mostStillMs } from './judge-arrival.ts';
import { channelFolder, listArrivals } from './list-arrivals.ts';
import { planArrivals } from './plan-arrivals.ts';
import { rejectWal } from './reject-wal.ts';
import { type LeftWal, type StoreOptions, storeWals } from './store-wals.ts';
import { storeWithHooks } from './store-with-hooks.ts';
import type { ArrivalOutcome } from './take-arrival.ts';
import { type UnfinishedCopy, unfinishedCopy } from './unfinished-copy.ts';

/** Failures that are told one by one in the log; of a common reason for all there can be thousands. */
const mostToldFailures = 10;

interface ArchivingOptions extends Omit<StoreOptions, 'cluster'> {
  readonly batchSize: number;
  /** Told before the first file, with the number of files of a batch that leaves others for later. */
  readonly onStart?: (start: { readonly fileCount: number; readonly limitedTo: number | undefined }) => void;
}

/**
 * Archives what lies in a channel's folder. A file is acknowledged, by the removal of its source, when it is renamed into the archive,
 * synced and indexed. A file that cannot be archived stays, and the others are archived nevertheless. The caller holds the archive-wal
 * lock.
 * @returns how many files were taken; aborting ends the run after the files under way
 * @throws OperatorError at the end, for files that stay and for WAL that was kept out; immediately when there is no room or no disk
 */
export async function archiveArrivals(options: ArchivingOptions, context: Context): Promise<number> {
  const { server, channel, batchSize } = options;
  const copies = new CopyWatch(channelFolder(server.layout, channel), context);
  const isUnfinished = (name: WalName): boolean => copies.isUnfinished(name);
  const plan = planArrivals(await listArrivals(server.layout, channel), { channel, batchSize, isUnfinished });
  const fileCount = plan.archive.length + plan.unknown.length;
  options.onStart?.({ fileCount, limitedTo: plan.later.length > 0 ? plan.archive.length : undefined });
  const keptOut: LeftWal[] = [];
  const run = {
    ...options,
    cluster: plan.archive.length === 0 ? undefined : await readKnownCluster(server.layout, storageOf(server)),
    onOutcome: (outcome: ArrivalOutcome): void => {
      if (outcome.kind === 'foreign' || outcome.kind === 'misnamed') keptOut.push(refused(outcome));
      options.onOutcome?.(outcome);
    },
  };
  const stored = await storeBatch(plan.archive, plan.later, run, context);
  const left = [...copies.cutOff, ...stored.left];
  context.signal.throwIfAborted();
  if (stored.stoppedAt === undefined) {
    for (const name of plan.unknown) left.push(...(await moveUnknown(name, run, context)));
  }
  await noteLeft(left, run, context);
  throwFor(left, keptOut, context);
  return stored.stoppedAt ?? fileCount - stored.growing.length;
}

/** For `check` and `status`, which look at files without this lock. Optional: the next run notes it again. */
async function noteLeft(left: readonly LeftWal[], { server, channel }: StoreOptions, { clock, log }: Context): Promise<void> {
  const held = left.map(({ name, error }) => ({ name, reason: messageOf(error) }));
  try {
    await noteHeldArrivals(server.layout, channel === 'streaming' ? 'streaming' : 'incoming', held, clock.now());
  } catch (error) {
    log.debug(`what waits in the folders is not noted: ${messageOf(error)}`);
  }
}

/** Looks for segments that somebody is still copying into the folder of a channel; the next run takes them when they are whole. */
class CopyWatch {
  readonly #folder: string;
  readonly #context: Context;
  /** Copies that do not go on. */
  readonly cutOff: LeftWal[] = [];

  constructor(folder: string, context: Context) {
    this.#folder = folder;
    this.#context = context;
  }

  isUnfinished(name: WalName): boolean {
    const { clock, log } = this.#context;
    const path = join(this.#folder, name);
    const copy = unfinishedCopy(path);
    if (copy === undefined) return false;
    const standsStillMs = Math.abs(clock.now().getTime() - copy.changedAtMs);
    if (standsStillMs > mostStillMs) this.cutOff.push({ name, error: cutOffCopy(path, copy) });
    else log.debug(`${name} is still being copied: it has ${String(copy.bytes)} bytes`);
    return true;
  }
}

function cutOffCopy(path: string, { bytes, wholeBytes }: UnfinishedCopy): OperatorError {
  const whole = wholeBytes === undefined ? '' : ` of ${String(wholeBytes)}`;
  return new OperatorError('wal-not-archived', `${path} has ${String(bytes)}${whole} bytes, and nobody adds to it`, {
    hint: 'the copy was interrupted: if PostgreSQL still has the segment, remove this file, and archive_command copies it again',
  });
}

/** To the errors folder; what cannot be moved there stays, and is told. */
async function moveUnknown(name: string, { server, channel, onOutcome }: StoreOptions, context: Context): Promise<LeftWal[]> {
  try {
    const source = join(channelFolder(server.layout, channel), name);
    const movedTo = await rejectWal(server.layout, source, { reason: 'unknown', now: context.clock.now() });
    onOutcome?.({ kind: 'unknown', name, movedTo });
    return [];
  } catch (error) {
    return [{ name, error }];
  }
}

function refused({ name, problem, movedTo }: Extract<ArrivalOutcome, { kind: 'foreign' | 'misnamed' }>): LeftWal {
  const error = new OperatorError('wal-foreign', `${problem}. It was moved to ${movedTo}`, {
    hint: 'a new cluster needs a server section and a backup_directory of its own; nothing of it enters this archive',
  });
  return { name, error };
}

function throwFor(left: readonly LeftWal[], keptOut: readonly LeftWal[], { log }: Context): void {
  for (const { name, error } of left.slice(0, mostToldFailures)) log.error(`${name} was not archived: ${messageOf(error)}`);
  const [first] = [...keptOut, ...left];
  if (first === undefined) return;
  const expected = expectedFailureOf(first.error);
  if (expected === undefined) throw first.error;
  const count = keptOut.length > 0 ? keptOut.length : left.length;
  const what = keptOut.length > 0 ? 'files that were kept out' : 'files that stay where they arrived';
  const others = count === 1 ? '' : ` (the first of ${String(count)} ${what})`;
  throw new OperatorError(expected.code, `${first.name}${others} was not archived: ${expected.message}`, {
    ...(expected.hint === undefined ? {} : { hint: expected.hint }),
    cause: first.error,
  });
}

interface StoringResult {
  readonly left: readonly LeftWal[];
  readonly growing: readonly WalName[];
  /** How many files were looked at before a hook asked to stop. */
  readonly stoppedAt?: number;
}

/**
 * A batch, and for each of its files that stays another one, in the order of names: files that cannot be archived must not keep those
 * behind them from ever being reached.
 */
async function storeBatch(
  first: readonly WalName[],
  behind: readonly WalName[],
  run: StoreOptions,
  context: Context,
): Promise<StoringResult> {
  let { left, growing, stoppedAt } = await storeAll(first, run, context);
  let [next, missing] = [0, left.length + growing.length];
  while (missing > 0 && next < behind.length && stoppedAt === undefined && !context.signal.aborted) {
    const more = await storeAll(behind.slice(next, next + missing), run, context);
    next += missing;
    missing = more.left.length + more.growing.length;
    left = [...left, ...more.left];
    growing = [...growing, ...more.growing];
    if (more.stoppedAt !== undefined) stoppedAt = first.length + more.stoppedAt;
  }
  return { left, growing, ...(stoppedAt === undefined ? {} : { stoppedAt }) };
}

async function storeAll(names: readonly WalName[], options: StoreOptions, context: Context): Promise<StoringResult> {
  if (!hasHooks(options.server, 'archive')) return await storeWals(names, options, context);
  const found: LeftWal[] = [];
  const growing: WalName[] = [];
  for (const [at, name] of names.entries()) {
    context.signal.throwIfAborted();
    const { kind, error } = await storeWithHooks(name, options, context);
    if (error !== undefined) found.push({ name, error });
    if (kind === 'growing') growing.push(name);
    if (kind === 'stop') return { left: found, growing, stoppedAt: at };
  }
  return { left: found, growing };
}
