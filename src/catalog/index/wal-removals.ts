import type { SegmentName, WalName } from '../../wal/wal-name.ts';
import { isWalKept, type WalDeletion } from '../backups/plan-deletion.ts';
import type { ServerLayout } from '../server-layout.ts';
import { type WalRemovalHooks, walArchiveOf } from '../wal/wal-archive.ts';
import { readLedger } from './read-ledger.ts';
import type { WalEntry } from './wal-entry.ts';
import { WalIndex } from './wal-index.ts';

type Removal = Extract<WalDeletion, { kind: 'older-than' }>;

/** Deletions that protect the same: the limit alone decides which of them takes a file first. */
interface Group {
  /** The one with the highest limit so far. */
  furthest: Removal;
  /** Ascending, with the number of the plan that brought each; a plan whose limit is no higher takes nothing more. */
  readonly limits: SegmentName[];
  readonly numbers: number[];
}

/** Several deletions together: finds the one that removes a file without asking each. */
export class WalRemovals {
  readonly #groups = new Map<string, Group>();

  /** @param plans in the order in which they are carried out */
  constructor(plans: readonly WalDeletion[]) {
    for (const [number, plan] of plans.entries()) if (plan.kind !== 'none') this.#add(plan, number);
  }

  /** The highest limit: no segment from there on goes; undefined when nothing goes. */
  get latestLimit(): SegmentName | undefined {
    return [...this.#groups.values()]
      .map(({ furthest }) => furthest.limit)
      .toSorted()
      .at(-1);
  }

  /** Number of the first plan that removes a file; undefined for one that stays. */
  firstTaking(name: WalName): number | undefined {
    let first: number | undefined;
    for (const { furthest, limits, numbers } of this.#groups.values()) {
      if (isWalKept({ name }, furthest)) continue;
      const number = numbers[countUpTo(limits, name)];
      if (number !== undefined && (first === undefined || number < first)) first = number;
    }
    return first;
  }

  /** Names at which the answer may change: limits, and the first and last segment of what is protected. */
  get turns(): { readonly limits: readonly SegmentName[]; readonly ranges: Removal['protectedRanges'] } {
    const groups = [...this.#groups.values()];
    return {
      limits: groups.flatMap(({ limits }) => limits),
      ranges: groups.flatMap(({ furthest }) => furthest.protectedRanges),
    };
  }

  #add(plan: Removal, number: number): void {
    const { protectedTimelines, protectedRanges, lowestTimeline } = plan;
    const key = JSON.stringify([[...protectedTimelines].toSorted((a, b) => a - b), protectedRanges, lowestTimeline]);
    const group = this.#groups.get(key);
    if (group === undefined) {
      this.#groups.set(key, { furthest: plan, limits: [plan.limit], numbers: [number] });
    } else if (plan.limit > group.furthest.limit) {
      group.furthest = plan;
      group.limits.push(plan.limit);
      group.numbers.push(number);
    }
  }
}

/** How many of some names, which are ascending, are not behind a name. */
export function countUpTo(names: readonly string[], name: string): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((names[middle] ?? '') <= name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Entries that any of some plans removes, oldest first. */
export async function walsToRemove(layout: ServerLayout, ...plans: readonly WalDeletion[]): Promise<WalEntry[]> {
  const removals = new WalRemovals(plans);
  const { latestLimit } = removals;
  if (latestLimit === undefined) return [];
  const ledger = await readLedger(layout);
  const isGoing = ({ name }: WalEntry): boolean => removals.firstTaking(name) !== undefined;
  const going = ledger.others.filter(isGoing);
  for (const entry of ledger.segments(undefined, latestLimit)) if (isGoing(entry)) going.push(entry);
  return going.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Removes the files of some plans, then all their lines in one rewrite: a crash in between leaves lines without files, which the next run of
 * the same plans removes. Files go one by one, so that nothing goes that the index does not name.
 * @returns the removed entries, oldest first
 */
export async function removeWals(
  layout: ServerLayout,
  plans: readonly WalDeletion[],
  hooks?: WalRemovalHooks<WalEntry>,
): Promise<WalEntry[]> {
  const going = await walsToRemove(layout, ...plans);
  if (going.length === 0) return [];
  await walArchiveOf(layout).remove(going, hooks);
  const gone = new Set(going.map(({ name }) => name));
  await using index = await WalIndex.open(layout);
  await index.remove(gone); // a segment that was archived meanwhile has a file, whatever the plan says
  return going;
}
