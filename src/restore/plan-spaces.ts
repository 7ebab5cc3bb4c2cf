import type { Place } from './place.ts';
import type { DestinationPlan } from './plan-destination.ts';
import type { PlannedSpace, PlannedTree } from './restore-plan.ts';

interface SpaceQuestion {
  readonly place: Pick<Place, 'spaceAt'>;
  readonly places: DestinationPlan;
  readonly trees: readonly PlannedTree[];
  readonly walBytes: number;
  /** What lies in the staging folder for a while. */
  readonly staged: { readonly path: string; readonly bytes: number } | undefined;
}

/** What is needed and free on each file system that a restore writes to. */
export async function planSpaces({ place, places, trees, walBytes, staged }: SpaceQuestion): Promise<readonly PlannedSpace[]> {
  const wanted = trees.map(({ destination, bytes }) => ({ path: destination, bytes }));
  if (places.wal.kind !== 'fetched') wanted.push({ path: places.wal.folder, bytes: walBytes });
  if (staged !== undefined) wanted.push(staged);
  const byFileSystem = new Map<string, PlannedSpace>();
  for (const { path, bytes } of wanted) {
    const { fileSystem, freeBytes, sharesBlocks } = await place.spaceAt(path);
    const before = byFileSystem.get(fileSystem);
    byFileSystem.set(fileSystem, {
      path: before?.path ?? path,
      neededBytes: (before?.neededBytes ?? 0) + bytes,
      freeBytes,
      sharesBlocks,
    });
  }
  return [...byFileSystem.values()];
}
