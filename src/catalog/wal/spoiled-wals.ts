import { forEachConcurrently } from '../../shared/for-each-concurrently.ts';
import { type SegmentName, segmentParts } from '../../wal/wal-name.ts';
import type { WalLedger } from '../index/wal-ledger.ts';
import type { TimelineWal } from './timeline-wal.ts';
import type { WalArchive } from './wal-archive.ts';

/** An archived segment whose file has another size than its index says: cut short, emptied, replaced. */
export interface SpoiledWal {
  readonly name: SegmentName;
  readonly size: number;
  readonly indexedSize: number;
}

/** Segments that one look asks for their sizes: the newest of them, which a power cut strikes, and some of the others. */
const newestLooked = 32;
const othersLooked = 96;
const looksConcurrently = 16;
/** A look in a later minute takes the others that follow, so that in time each is looked at. */
const minuteMs = 60_000;

/**
 * Compares the sizes of a few archived segments with the index, from a segment on. It costs the same however many there are, and reads no
 * content. A segment without a file is another matter ({@link findLostWals}).
 * @throws OperatorError `file-unreadable`
 */
export async function findSpoiledWals(
  archive: WalArchive,
  { ledger, from, now }: { readonly ledger: WalLedger; readonly from: SegmentName; readonly now: Date },
): Promise<readonly SpoiledWal[]> {
  const spoiled: SpoiledWal[] = [];
  const parts = partsFrom(ledger, from);
  await forEachConcurrently(sample(sum(parts), now), looksConcurrently, async (position) => {
    const facts = factsAt(parts, position);
    const size = facts === undefined ? undefined : await archive.sizeOf(facts.name);
    if (facts === undefined || size === undefined || size === facts.size) return;
    spoiled.push({ name: facts.name, size, indexedSize: facts.size });
  });
  return spoiled.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Segments of one timeline, from a number on. */
interface Part {
  readonly wal: TimelineWal;
  readonly first: number;
}

function partsFrom(ledger: WalLedger, from: SegmentName): readonly Part[] {
  const { timeline, log, segment } = segmentParts(from);
  return ledger.timelines
    .filter((wal) => wal.timeline >= timeline)
    .map((wal) => ({ wal, first: wal.timeline === timeline ? wal.numberFrom(log, segment) : 0 }));
}

function sum(parts: readonly Part[]): number {
  return parts.reduce((total, { wal, first }) => total + wal.count - first, 0);
}

/** Positions, each once. */
function sample(total: number, now: Date): readonly number[] {
  const newest = Math.min(total, newestLooked);
  const others = total - newest;
  const start = others === 0 ? 0 : (Math.floor(now.getTime() / minuteMs) * othersLooked) % others;
  return [
    ...Array.from({ length: Math.min(others, othersLooked) }, (_, at) => (start + at) % others),
    ...Array.from({ length: newest }, (_, at) => others + at),
  ];
}

function factsAt(parts: readonly Part[], position: number): ReturnType<TimelineWal['factsAt']> | undefined {
  let left = position;
  for (const { wal, first } of parts) {
    const count = wal.count - first;
    if (left < count) return wal.factsAt(first + left);
    left -= count;
  }
  return undefined;
}
