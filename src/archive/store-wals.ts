import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { KnownCluster } from '../catalog/identity.ts';
import type { WalEntry } from '../catalog/index/wal-entry.ts';
import { enterWals } from '../catalog/index/wal-index.ts';
import type { ArrivalChannel } from '../catalog/server-layout.ts';
import { noteHistory } from '../catalog/wal/read-histories.ts';
import type { Server } from '../config/server.ts';
import type { Context } from '../shared/context.ts';
import { syncFolder } from '../shared/durable-file.ts';
import { type WalName, walKindOf } from '../wal/wal-name.ts';
import { discardPrepared, movableIdentityOf, noteSealed, type PreparedWal, type SealedArrival } from './prepare-wal.ts';
import { type ArrivalOutcome, isExhausted, isLeft, isPrepared, type Taken, takeArrival } from './take-arrival.ts';

export interface StoreOptions {
  readonly server: Server;
  readonly channel: ArrivalChannel;
  /** The cluster of the catalog, where that is known. */
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

/** The outcome for the files; the entries are those of the archived ones. */
interface StoredWals {
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
  /** A failure that every other file would have, too; no new file was begun after it. */
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

/** The message about a file whose name is taken. */
export function duplicateText(name: string): string {
  return `${name} is already archived with other content`;
}

/** Renames into the archive, syncs, indexes, and only then lets the sources go. */
async function commitWals(server: Server, prepared: readonly PreparedWal[], context: Pick<Context, 'log'>): Promise<void> {
  if (prepared.length === 0) return;
  const { layout } = server;
  await noteSealed(layout, await sealedAmong(prepared));
  await enterWals(
    layout,
    prepared.map(({ temporary: from, entry, replaces = false }) => ({ from, entry, replaces })),
  );
  for (const { entry, source: plainPath } of prepared) {
    const isSealed = entry.encryption !== null && walKindOf(entry.name) === 'history';
    if (isSealed) await noteHistory(server, { name: entry.name, plainPath }, context);
  }
  for (const { source } of prepared) await rm(source, { force: true });
  for (const folder of new Set(prepared.map(({ source }) => dirname(source)))) await syncFolder(folder);
}

async function sealedAmong(prepared: readonly PreparedWal[]): Promise<SealedArrival[]> {
  const sealed: SealedArrival[] = [];
  for (const { source, sealedFrom: arrived, temporary } of prepared)
    if (arrived !== undefined) sealed.push({ source, arrived, stored: await movableIdentityOf(temporary) });
  return sealed;
}

interface LineOptions<T> {
  /** Enters a group, in the order of its positions; groups follow each other. */
  readonly enter: (group: readonly T[]) => Promise<void>;
  /** How long what is ready waits for those before it. */
  readonly patienceMs: number;
}

/** Items that share one visit to the index: fewer locks and syncs, and little to do again after a crash. */
const fewestPerGroup = 16;
const looksWithinPatience = 10;

/**
 * Enters the ready files in the order of positions. An item that takes longer than the patience loses its turn: those behind
 * it are entered, and it follows when it is ready.
 */
class EnteringLine<T> {
  readonly #options: LineOptions<T>;
  readonly #timer: NodeJS.Timeout;
  readonly #ready = new Map<number, T>();
  readonly #passed = new Set<number>();
  #front = 0;
  #looksAtFront = 0;
  #entering: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | undefined;

  constructor(options: LineOptions<T>) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), options.patienceMs / looksWithinPatience);
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Resolves when the line wants more: immediately, unless so much is ready that it has to be entered first. */
  async add(position: number, item: T): Promise<void> {
    this.#ready.set(position, item);
    if (this.#ready.size < fewestPerGroup) return;
    this.#enter(this.#takeInOrder());
    await this.#entering;
  }

  /**
   * Enters all that is left; nothing is added any more.
   * @returns the first failure, after which nothing was entered any more
   */
  async finish(): Promise<{ readonly error: unknown } | undefined> {
    clearInterval(this.#timer);
    this.#enter(this.#takeAll());
    await this.#entering;
    return this.#failure;
  }

  #look(): void {
    const group = this.#takeInOrder();
    this.#looksAtFront = group.length > 0 || this.#ready.size === 0 ? 0 : this.#looksAtFront + 1;
    this.#enter(this.#looksAtFront < looksWithinPatience ? group : this.#takeAll());
  }

  #takeInOrder(): T[] {
    const group: T[] = [];
    for (;;) {
      const item = this.#ready.get(this.#front);
      if (item === undefined && !this.#passed.delete(this.#front)) return group;
      if (item !== undefined) group.push(item);
      this.#ready.delete(this.#front);
      this.#front++;
    }
  }

  #takeAll(): T[] {
    const group = [...this.#ready].toSorted(([one], [other]) => one - other);
    for (const [position] of group) this.#passed.add(position);
    this.#ready.clear();
    return group.map(([, item]) => item);
  }

  #enter(group: readonly T[]): void {
    if (group.length === 0) return;
    this.#entering = this.#entering.then(async () => {
      if (this.#failure !== undefined) return;
      try {
        await this.#options.enter(group);
      } catch (error) {
        this.#failure = { error };
      }
    });
  }
}

interface WorkerOptions {
  /** Items that are worked on at the same time. */
  readonly count: number;
  /** An item that takes longer gets a stand-in. */
  readonly patienceMs: number;
}

/**
 * Works on items in their order, with `count` workers. A slow item gets a stand-in worker until it ends, so there are never more than
 * twice `count` under way. `work` must not reject.
 */
async function runWorkers<T>(
  items: Iterator<T>,
  { count, patienceMs }: WorkerOptions,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const fill = async (isOver: () => boolean, mayHaveStandIn: boolean): Promise<void> => {
    while (!isOver()) {
      const next = items.next();
      if (next.done === true) return;
      let hasEnded = false;
      let standIn: Promise<void> = Promise.resolve();
      const callStandIn = (): void => {
        if (mayHaveStandIn) standIn = fill(() => hasEnded, false);
      };
      const timer = setTimeout(callStandIn, patienceMs);
      await work(next.value);
      hasEnded = true;
      clearTimeout(timer);
      await standIn;
    }
  };
  await Promise.all(Array.from({ length: count }, async () => await fill(() => false, true)));
}
