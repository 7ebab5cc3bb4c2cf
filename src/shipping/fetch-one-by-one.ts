import { join } from 'node:path';
import { nextSegment, type SegmentName } from '../wal/wal-name.ts';
import { fetchWal } from './fetch-wal.ts';
import type { PrefetchOptions } from './prefetch-options.ts';
import { publishSegment } from './publish-segment.ts';
import { announce } from './spool.ts';
import type { SpoolWatch } from './spool-watch.ts';

/** Calls under way at once: each is a login and a start of Python, for most of which neither host has anything to do. */
const mostCalls = 4;

/** Fills the spool from a backup host with a real Barman: one call for each segment, the next one as soon as another has ended. */
export async function fetchOneByOne(options: PrefetchOptions, watch: SpoolWatch): Promise<void> {
  const { spool, segmentSize, ahead } = options;
  const coming = new Set<SegmentName>();
  let next: SegmentName = options.first;
  let isOver = false;
  const fetchNext = async (): Promise<void> => {
    while (!isOver && (await watch.waitForRoom(Math.max(1, ahead - coming.size)))) {
      const name = next;
      next = nextSegment(next, segmentSize);
      coming.add(name);
      announce(spool, [...coming]);
      const isThere = await fetchSegment(name, options).catch(() => false); // recovery asks itself for what is missing
      coming.delete(name);
      announce(spool, [...coming]);
      if (!isThere) isOver = true;
    }
  };
  await Promise.all(Array.from({ length: Math.min(mostCalls, ahead) }, fetchNext));
}

/** Never a partial segment: what is still being received would be stale when its turn comes. */
async function fetchSegment(name: SegmentName, options: PrefetchOptions): Promise<boolean> {
  const arriving = join(options.spool.work, name);
  const { exitCode } = await fetchWal(name, arriving, { ...options.fetch, allowsPartial: false });
  return exitCode === 0 && (await publishSegment(arriving, name, options));
}
