import type { WalDeletion } from '../backups/plan-deletion.ts';
import type { ServerLayout } from '../server-layout.ts';
import { type WalRemovalHooks, walArchiveOf } from '../wal/wal-archive.ts';
import { readLedger } from './read-ledger.ts';
import type { WalEntry } from './wal-entry.ts';
import { WalIndex } from './wal-index.ts';
import { WalRemovals } from './wal-removals.ts';

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
  await index.remove(gone); // what was archived meanwhile has a file, whatever the plan says of it
  return going;
}
