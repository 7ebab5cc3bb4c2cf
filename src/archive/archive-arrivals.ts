import { join } from 'node:path';
import { hasHooks } from '../hooks/run-hooks.ts';
import type { Context } from '../shared/context.ts';
import { expectedFailureOf, messageOf, OperatorError } from '../shared/operator-error.ts';
import type { WalName } from '../wal/wal-name.ts';
import { channelFolder, listArrivals } from './list-arrivals.ts';
import { planArrivals } from './plan-arrivals.ts';
import { rejectWal } from './reject-wal.ts';
import { type LeftWal, type StoreOptions, storeWals } from './store-wals.ts';
import { storeWithHooks } from './store-with-hooks.ts';
import { type UnfinishedCopy, unfinishedCopy } from './unfinished-copy.ts';

/** Failures that are told one by one in the log; of a common reason for all there can be thousands. */
const mostToldFailures = 10;
/** No copy of a segment stands still for so long and goes on. */
const mostStillMs = 60_000;

interface ArchivingOptions extends StoreOptions {
  readonly batchSize: number;
  /** Told before the first file, with the number of files of a batch that leaves others for later. */
  readonly onStart?: (start: { readonly fileCount: number; readonly limitedTo: number | undefined }) => void;
}

/**
 * Archives what lies in a channel's folder. A file is acknowledged, by the removal of its source, when it is renamed into the archive,
 * synced and indexed. A file that cannot be archived stays, and the others are archived nevertheless. The caller holds the archive-wal
 * lock.
 * @returns how many files were taken; aborting ends the run after the files under way
 * @throws OperatorError at the end, for files that stay; at once when there is no room or no disk
 */
export async function archiveArrivals(options: ArchivingOptions, context: Context): Promise<number> {
  const { server, channel, batchSize } = options;
  const copies = new CopyWatch(channelFolder(server.layout, channel), context);
  const isUnfinished = (name: WalName): boolean => copies.isUnfinished(name);
  const plan = planArrivals(await listArrivals(server.layout, channel), { channel, batchSize, isUnfinished });
  const fileCount = plan.archive.length + plan.unknown.length;
  options.onStart?.({ fileCount, limitedTo: plan.leftCount > 0 ? plan.archive.length : undefined });
  const { left: notStored, stoppedAt } = await storeAll(plan.archive, options, context);
  const left = [...copies.cutOff, ...notStored];
  context.signal.throwIfAborted();
  if (stoppedAt !== undefined) {
    throwFor(left, context);
    return stoppedAt;
  }
  for (const name of plan.unknown) {
    const source = join(channelFolder(server.layout, channel), name);
    const movedTo = await rejectWal(server.layout, source, { reason: 'unknown', now: context.clock.now() });
    options.onOutcome?.({ kind: 'unknown', name, movedTo });
  }
  throwFor(left, context);
  return fileCount;
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
    hint: 'whoever copied it was cut off: remove it when PostgreSQL still has the segment, whose archive_command then copies it again',
  });
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

interface StoringResult {
  readonly left: readonly LeftWal[];
  /** How many files were looked at before a hook asked to stop. */
  readonly stoppedAt?: number;
}

async function storeAll(names: readonly WalName[], options: ArchivingOptions, context: Context): Promise<StoringResult> {
  if (!hasHooks(options.server, 'archive')) return { left: (await storeWals(names, options, context)).left };
  const found: LeftWal[] = [];
  for (const [at, name] of names.entries()) {
    context.signal.throwIfAborted();
    const { isWanted, left } = await storeWithHooks(name, options, context);
    if (left !== undefined) found.push(left);
    if (!isWanted) return { left: found, stoppedAt: at };
  }
  return { left: found };
}
