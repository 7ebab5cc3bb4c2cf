import type { WalEntry } from '../catalog/wal-entry.ts';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { forEachAtOnce } from '../shared/for-each-at-once.ts';
import type { WalName } from '../wal/wal-name.ts';
import { commitWals } from './commit-wals.ts';
import type { ArrivalChannel } from './plan-arrivals.ts';
import { discardPrepared } from './prepare-wal.ts';
import { type ArrivalOutcome, isExhausted, isPrepared, type Taken, takeArrival } from './take-arrival.ts';

export interface StoreOptions {
  readonly server: Server;
  readonly channel: ArrivalChannel;
  /** Files that are compressed and encrypted at the same time: one for each core. */
  readonly preparedAtOnce: number;
  /** Told of each outcome as it is certain. */
  readonly onOutcome?: (outcome: ArrivalOutcome) => void;
}

/** A file that stays where it arrived, and why. */
export interface LeftWal {
  readonly name: WalName;
  readonly error: unknown;
}

/** What became of files; the entries are those of the archived ones. */
export interface StoredWals {
  readonly outcomes: readonly ArrivalOutcome[];
  readonly left: readonly LeftWal[];
  readonly entries: readonly WalEntry[];
}

/**
 * Prepares files on all cores and enters them in the order of their names.
 * @throws what keeps any file from being stored, such as a full disk, after what could be stored was
 */
export async function storeWals(names: readonly WalName[], options: StoreOptions, context: Context): Promise<StoredWals> {
  const { server, preparedAtOnce } = options;
  const results = await takeAll(names, options, context);
  const exhausted = results.find(isExhausted);
  const end = exhausted === undefined ? names.length : results.indexOf(exhausted);
  const whole = results.slice(0, end);
  // what was ready before its forerunners comes again after them, so that the index stays in order
  for (const { prepared } of results.slice(end).filter(isPrepared)) await discardPrepared(prepared);
  await commitWals(
    server.layout,
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
  const rest = await storeWals(names.slice(end), again, context);
  return {
    outcomes: [...outcomes, ...rest.outcomes],
    left: [...left, ...rest.left],
    entries: [...entries, ...rest.entries],
  };
}

/** In the order of the names; begins no new file once something is exhausted, and then gives fewer. */
async function takeAll(names: readonly WalName[], options: StoreOptions, context: Context): Promise<Taken[]> {
  const results: Taken[] = [];
  function* untilExhausted(): Generator<[number, WalName]> {
    for (const entry of names.entries()) {
      if (results.some(isExhausted)) return;
      yield entry;
    }
  }
  await forEachAtOnce(untilExhausted(), options.preparedAtOnce, async ([at, name]) => {
    results[at] = await takeArrival(name, options, context);
  });
  return results;
}

function outcomeOf(taken: Taken): ArrivalOutcome[] {
  if (taken.kind === 'settled') return [taken.outcome];
  return taken.kind === 'prepared' ? [{ kind: 'archived', name: taken.prepared.entry.name }] : [];
}

/** What is said of a file whose name is taken. */
export function duplicateText(name: string): string {
  return `${name} is already archived with other content`;
}
