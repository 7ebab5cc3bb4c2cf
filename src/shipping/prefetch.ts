import { tryLockFile } from '../shared/file-lock.ts';
import { fetchOneByOne } from './fetch-one-by-one.ts';
import type { PrefetchOptions } from './prefetch-options.ts';
import { receiveRow } from './receive-row.ts';
import { announce, emptySpool, removeOldSpools } from './spool.ts';
import { SpoolWatch } from './spool-watch.ts';

/** Exit code of a Barman that does not know the verb. */
const usageError = 2;

/**
 * Fetches segments ahead until the archive has no more, nobody takes them, or the server that recovers is gone; then waits until what
 * was fetched is taken, and leaves the spool empty. One process per spool: the lock is what a newer one takes over by stopping the older
 * one. Nothing gets its final name before it is whole and checked.
 */
export async function prefetch(options: PrefetchOptions): Promise<void> {
  const { spool, first } = options;
  await using lock = await tryLockFile(spool.lock);
  if (lock === undefined) return;
  await emptySpool(spool);
  await removeOldSpools(spool, process.getuid?.());
  const watch = await SpoolWatch.begin(options);
  if (watch === undefined) return;
  try {
    announce(spool, [first]);
    if ((await receiveRow(options, watch)) === usageError) await fetchOneByOne(options, watch);
    announce(spool, []);
    await watch.waitUntilEmpty();
  } finally {
    watch.close();
    await emptySpool(spool);
  }
}
