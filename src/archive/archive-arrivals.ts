import { join } from 'node:path';
import { readKnownCluster } from '../catalog/identity.ts';
import { mayHaveStrays } from '../catalog/index/wal-index.ts';
import { type ArrivalChannel, arrivalFolder, type ServerLayout } from '../catalog/server-layout.ts';
import { type UnfinishedCopy, unfinishedCopy } from '../catalog/wal/segment-content.ts';
import { noteHeldArrivals } from '../catalog/wal/stuck-arrivals.ts';
import { hasHooks } from '../hooks/run-hooks.ts';
import type { Context } from '../shared/context.ts';
import { entriesIn } from '../shared/look.ts';
import { expectedFailureOf, messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { parseWalName, segmentOf, type WalName, walKindOf } from '../wal/wal-name.ts';
import { rejectWal } from './reject-wal.ts';
import { type LeftWal, type StoreOptions, storeWals } from './store-wals.ts';
import { storeWithHooks } from './store-with-hooks.ts';
import { type ArrivalOutcome, mostStillMs } from './take-arrival.ts';

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
  const copies = new CopyWatch(arrivalFolder(server.layout, channel), context);
  const isUnfinished = (name: WalName): boolean => copies.isUnfinished(name);
  const plan = planArrivals(await listArrivals(server.layout, channel), { channel, batchSize, isUnfinished });
  const fileCount = plan.archive.length + plan.unknown.length;
  options.onStart?.({ fileCount, limitedTo: plan.later.length > 0 ? plan.archive.length : undefined });
  const keptOut: LeftWal[] = [];
  const run = {
    ...options,
    cluster: plan.archive.length === 0 ? undefined : await readKnownCluster(server),
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
    log.debug(`the note of the waiting files cannot be written: ${messageOf(error)}`);
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
  return new OperatorError('wal-not-archived', `${path} has ${String(bytes)}${whole} bytes, and does not grow`, {
    hint: 'the copy was interrupted: if PostgreSQL still has the segment, remove this file, and archive_command copies it again',
  });
}

/** To the errors folder; what cannot be moved there stays, and is told. */
async function moveUnknown(name: string, { server, channel, onOutcome }: StoreOptions, context: Context): Promise<LeftWal[]> {
  try {
    const source = join(arrivalFolder(server.layout, channel), name);
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

export interface Arrival {
  readonly name: string;
  readonly isFile: boolean;
}

interface ArrivalPlan {
  /** To be archived now, in this order. */
  readonly archive: readonly WalName[];
  /** Of those before them, what somebody is still copying, or left half copied. */
  readonly unfinished: readonly WalName[];
  /** No WAL at all: to the errors folder. */
  readonly unknown: readonly string[];
  /** Files that the batch size leaves for the next run, in this order; whether they are unfinished was not asked. */
  readonly later: readonly WalName[];
}

interface ArrivalRules {
  readonly channel: ArrivalChannel;
  /** 0 is no limit. */
  readonly batchSize: number;
  /** Asked only as far as the batch goes; of what a receiver writes nothing is unfinished under its final name. */
  readonly isUnfinished: (name: WalName) => boolean;
}

/**
 * The plan for the files of a channel (docs/reference/engine.md section 9.3). Of the receiver's folder the newest partial segment stays, because it
 * is being written; without one the newest segment stays, because the receiver finds there where to go on. Files are told apart before
 * they are counted, so a batch of one always makes progress.
 */
export function planArrivals(arrivals: readonly Arrival[], { channel, batchSize, isUnfinished }: ArrivalRules): ArrivalPlan {
  const visible = arrivals.filter(({ name }) => !name.startsWith('.') && !name.endsWith('.tmp'));
  const unknown: string[] = [];
  const wals: WalName[] = [];
  for (const { name, isFile } of visible.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const wal = isFile ? parseWalName(name) : undefined;
    if (wal !== undefined && wal === name) wals.push(wal);
    else unknown.push(name);
  }
  const heldBack = channel === 'streaming' ? newestOfReceiver(wals) : undefined;
  const ready = wals.filter((name) => name !== heldBack);
  const archive: WalName[] = [];
  const unfinished: WalName[] = [];
  let asked = 0;
  for (const name of ready) {
    if (batchSize > 0 && archive.length >= batchSize) break;
    asked++;
    (channel === 'file' && isUnfinished(name) ? unfinished : archive).push(name);
  }
  return { archive, unfinished, unknown, later: ready.slice(asked) };
}

function newestOfReceiver(wals: readonly WalName[]): WalName | undefined {
  const partial = wals.findLast((name) => walKindOf(name) === 'partial');
  return partial ?? wals.findLast((name) => segmentOf(name) === name);
}

/** The entries of a channel's folder now; nothing when the folder does not exist yet. */
async function listArrivals(layout: ServerLayout, channel: ArrivalChannel): Promise<Arrival[]> {
  const folder = arrivalFolder(layout, channel);
  try {
    const entries = await entriesIn(folder);
    return entries.map((entry) => ({ name: entry.name, isFile: entry.isFile() }));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw new OperatorError('file-unreadable', `cannot read the folder ${folder}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}

/** Whether a run of archive-wal would find something to do, seen from outside, without its lock. */
export async function hasWaiting(layout: ServerLayout, channels: readonly ArrivalChannel[]): Promise<boolean> {
  for (const channel of channels) {
    const rules = { channel, batchSize: 1, isUnfinished: () => false };
    const { archive, unknown } = planArrivals(await listArrivals(layout, channel), rules);
    if (archive.length + unknown.length > 0) return true;
  }
  return await mayHaveStrays(layout);
}
