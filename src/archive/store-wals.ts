import type { KnownCluster } from '../catalog/identity.ts';
import type { WalEntry } from '../catalog/index/wal-entry.ts';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import type { WalName } from '../wal/wal-name.ts';
import { commitWals } from './commit-wals.ts';
import { EnteringLine } from './entering-line.ts';
import type { ArrivalChannel } from './plan-arrivals.ts';
import { discardPrepared } from './prepare-wal.ts';
import { runWorkers } from './run-workers.ts';
import { type ArrivalOutcome, isExhausted, isLeft, isPrepared, type Taken, takeArrival } from './take-arrival.ts';

export interface StoreOptions {
  readonly server: Server;
  readonly channel: ArrivalChannel;
  /** What the catalog belongs to, where that is known. */
  readonly cluster: KnownCluster | undefined;
  /** Files that are compressed and encrypted at the same time: one for each core. */
  readonly workers: number;
  /** How long a file may hold up those behind it; ten seconds when left out. */
  readonly patienceMs?: number;
  /** Told of each outcome as it is certain. */
  readonly onOutcome?: (outcome: ArrivalOutcome) => void;
}

/** A file that stays where it arrived, and why. */
export interface LeftWal {
  readonly name: string;
  readonly error: unknown;
}

/** What became of files; the entries are those of the archived ones. */
export interface StoredWals {
  readonly outcomes: readonly ArrivalOutcome[];
  readonly left: readonly LeftWal[];
  /** Of files that somebody may still be writing. */
  readonly growing: readonly WalName[];
  readonly entries: readonly WalEntry[];
}

/** How long a file holds up those behind it: then they get its place, and their own in the index. */
const usualPatienceMs = 10_000;

/**
 * Prepares files on all cores and enters them in the order of their names, as they are ready; one that is slow is passed. After a wish
 * to stop, begins no more.
 * @throws what keeps any file from being stored, such as a full disk, after what could be stored was
 */
export async function storeWals(names: readonly WalName[], options: StoreOptions, context: Context): Promise<StoredWals> {
  const { stored, exhausted, rest } = await storePass(names, options, context);
  if (exhausted === undefined || context.signal.aborted) return stored;
  const isStuck = stored.outcomes.length === 0;
  if (isStuck && options.workers === 1) throw exhausted.error;
  // the sources that are gone now made room: a disk too full for several files must not keep the archiver from going on
  const again = await storeWals(rest, isStuck ? { ...options, workers: 1 } : options, context);
  return {
    outcomes: [...stored.outcomes, ...again.outcomes],
    left: [...stored.left, ...again.left],
    growing: [...stored.growing, ...again.growing],
    entries: [...stored.entries, ...again.entries],
  };
}

type Failed = Extract<Taken, { kind: 'failed' }>;

interface Pass {
  readonly stored: StoredWals;
  /** What every other file would fail for, too; no new one was begun after it. */
  readonly exhausted: Failed | undefined;
  /** Names that are neither stored nor left. */
  readonly rest: readonly WalName[];
}

async function storePass(names: readonly WalName[], options: StoreOptions, context: Context): Promise<Pass> {
  const { workers, patienceMs = usualPatienceMs } = options;
  const results: Taken[] = [];
  const entered: Taken[] = [];
  const line = new EnteringLine<Taken>({
    patienceMs,
    enter: async (group) => {
      await commitWals(
        options.server,
        group.filter(isPrepared).map(({ prepared }) => prepared),
        context,
      );
      entered.push(...group);
      tellOutcomes(group.flatMap(outcomeOf), options, context);
    },
  });
  let exhausted: Failed | undefined;
  function* wanted(): Generator<[number, WalName]> {
    for (const entry of names.entries()) {
      if (exhausted !== undefined || line.hasFailed || context.signal.aborted) return;
      yield entry;
    }
  }
  await runWorkers(wanted(), { count: workers, patienceMs }, async ([at, name]) => {
    const taken = await takeArrival(name, options, context);
    if (isExhausted(taken)) {
      exhausted ??= taken;
      return;
    }
    results[at] = taken;
    await line.add(at, taken);
  });
  const failure = await line.finish();
  const known = new Set(entered);
  for (const taken of results.filter(isPrepared)) if (!known.has(taken)) await discardPrepared(taken.prepared);
  if (failure !== undefined) throw failure.error;
  const stored = {
    outcomes: entered.flatMap(outcomeOf),
    left: entered.filter(isLeft),
    growing: entered.flatMap((taken) => (taken.kind === 'growing' ? [taken.name] : [])),
    entries: entered.filter(isPrepared).map(({ prepared: { entry } }) => entry),
  };
  return { stored, exhausted, rest: names.filter((_, at) => results[at] === undefined) };
}

function tellOutcomes(outcomes: readonly ArrivalOutcome[], { onOutcome }: StoreOptions, { log }: Context): void {
  for (const outcome of outcomes) {
    if (outcome.kind === 'duplicate') log.warning(`${duplicateText(outcome.name)}; it was moved to ${outcome.movedTo}`);
    else if (outcome.kind === 'foreign' || outcome.kind === 'misnamed')
      log.error(`${outcome.name} was kept out of the archive: ${outcome.problem}; it was moved to ${outcome.movedTo}`);
    onOutcome?.(outcome);
  }
}

function outcomeOf(taken: Taken): ArrivalOutcome[] {
  if (taken.kind === 'settled') return [taken.outcome];
  return taken.kind === 'prepared' ? [{ kind: 'archived', name: taken.prepared.entry.name }] : [];
}

/** What is said of a file whose name is taken. */
export function duplicateText(name: string): string {
  return `${name} is already archived with other content`;
}
