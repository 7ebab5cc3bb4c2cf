import { tryLockFile } from '../shared/file-lock.ts';
import { fastCiphers } from '../transport/ssh/prefer-fast-cipher.ts';
import { fetchOneByOne } from './fetch-one-by-one.ts';
import type { FetchOptions } from './fetch-wal.ts';
import { Pauses } from './pauses.ts';
import type { PrefetchOptions } from './prefetch-options.ts';
import { receiveRow } from './receive-row.ts';
import { boundConnecting, loginWords } from './remote-host.ts';
import { announce, emptySpool, removeOldSpools } from './spool.ts';
import { SpoolWatch } from './spool-watch.ts';

/**
 * Fetches segments ahead until the archive has no more, nobody takes them, or the server that recovers is gone; then waits until what
 * was fetched is taken, and leaves the spool empty. A connection that broke is tried again as long as something waits to be taken:
 * after that recovery asks the backup host itself, and has a new process fetch ahead. One process per spool: the lock is what a newer one takes over by stopping the older
 * one. Nothing gets its final name before it is whole and checked.
 */
export async function prefetch(options: PrefetchOptions): Promise<void> {
  const { spool } = options;
  await using lock = await tryLockFile(spool.lock);
  if (lock === undefined) return;
  await emptySpool(spool);
  await removeOldSpools(spool, process.getuid?.());
  const watch = await SpoolWatch.begin(options);
  if (watch === undefined) return;
  try {
    await fill({ ...options, fetch: await withFastCipher(options.fetch) }, watch);
    announce(spool, []);
    await watch.waitUntilEmpty();
  } finally {
    watch.close();
    await emptySpool(spool);
  }
}

/** For gigabytes of WAL it pays to ask for a cipher that costs less. */
async function withFastCipher(fetch: FetchOptions): Promise<FetchOptions> {
  const [ciphers, remote] = await Promise.all([
    fastCiphers(loginWords(fetch.remote), fetch.environment),
    boundConnecting(fetch.remote, fetch.environment),
  ]);
  return { ...fetch, remote: { ...remote, ciphers } };
}

async function fill(options: PrefetchOptions, watch: SpoolWatch): Promise<void> {
  const { spool } = options;
  let { first } = options;
  const pauses = new Pauses();
  for (;;) {
    announce(spool, [first]);
    const { kind, next } = await receiveRow(first, options, watch);
    if (kind === 'unknown-verb') await fetchOneByOne({ ...options, first: next }, watch);
    if (kind !== 'broken') return;
    announce(spool, []); // recovery need not wait for what may not come
    if (next !== first) pauses.restart();
    first = next;
    if (!(await watch.pauseWhileSomeWait(pauses.next()))) return;
  }
}
