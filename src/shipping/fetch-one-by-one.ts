import { join } from 'node:path';
import { nextSegment, type SegmentName } from '../wal/wal-name.ts';
import { fetchWal } from './fetch-wal.ts';
import { Pauses } from './pauses.ts';
import type { PrefetchOptions } from './prefetch-options.ts';
import { publishSegment } from './publish-segment.ts';
import { sshFailure } from './remote-host.ts';
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
      const isThere = await fetchPatiently(name, options, watch);
      coming.delete(name);
      announce(spool, [...coming]);
      if (!isThere) isOver = true;
    }
  };
  await Promise.all(Array.from({ length: Math.min(mostCalls, ahead) }, fetchNext));
}

/** A connection that broke is tried again as long as something waits to be taken; any other failure is left to recovery. */
async function fetchPatiently(name: SegmentName, options: PrefetchOptions, watch: SpoolWatch): Promise<boolean> {
  const pauses = new Pauses();
  for (;;) {
    const outcome = await fetchSegment(name, options).catch(() => 'not-there' as const); // recovery asks itself for what is missing
    if (outcome !== 'broken') return outcome === 'there';
    if (!(await watch.pauseWhileSomeWait(pauses.next()))) return false;
  }
}

/** Never a partial segment: what is still being received would be stale when its turn comes. */
async function fetchSegment(name: SegmentName, options: PrefetchOptions): Promise<'there' | 'not-there' | 'broken'> {
  const arriving = join(options.spool.work, name);
  const { exitCode } = await fetchWal(name, arriving, { ...options.fetch, allowsPartial: false });
  if (exitCode === sshFailure) return 'broken';
  return exitCode === 0 && (await publishSegment(arriving, name, options)) ? 'there' : 'not-there';
}
