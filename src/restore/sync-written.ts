import { readFile } from 'node:fs/promises';
import type { Context } from '../shared/context.ts';
import type { Place } from './place.ts';

const askEveryMs = 500;

/** Makes what was written durable, and shows meanwhile how much this host has still to write (of everybody: the kernel does not tell whose it is). */
export async function syncWritten(place: Place, folders: readonly string[], { clock, progress }: Context): Promise<void> {
  const totalBytes = place.kind === 'local' ? await unwrittenBytes() : undefined;
  const ending = new AbortController();
  progress.begin({ label: 'Syncing', totalBytes });
  const watching = async (): Promise<void> => {
    while (totalBytes !== undefined && !ending.signal.aborted) {
      await clock.sleep(askEveryMs, ending.signal).catch(() => undefined); // it is only cut short at the end
      progress.advance(Math.max(0, totalBytes - ((await unwrittenBytes()) ?? 0)));
    }
  };
  const watched = watching();
  try {
    await place.sync(folders);
  } finally {
    ending.abort();
    await watched;
    progress.end();
  }
}

/** What lies in memory and is not on disk yet; undefined where nobody tells. */
async function unwrittenBytes(): Promise<number | undefined> {
  try {
    const text = await readFile('/proc/meminfo', 'utf8');
    const kilobytes = [...text.matchAll(/^(?:Dirty|Writeback): +(\d+) kB$/gm)].map(([, number]) => Number(number));
    return kilobytes.length === 0 ? undefined : 1024 * kilobytes.reduce((sum, one) => sum + one, 0);
  } catch {
    return undefined; // only what is shown depends on it
  }
}
