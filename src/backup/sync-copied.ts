import { join } from 'node:path';
import { syncFile, syncFolder } from '../shared/durable-file.ts';
import { forEachAtOnce } from '../shared/for-each-at-once.ts';
import { isMissing } from '../shared/look.ts';
import type { CopiedItem } from './copy-cluster.ts';

const atOnce = 8;

/** Makes what was copied survive a power cut; hard links to the backup before need it only for their folders. */
export async function syncCopied(copied: readonly CopiedItem[], areReusedCopies: boolean): Promise<void> {
  for (const { item, plan, listing } of copied) {
    const files = [...plan.sent, ...plan.compared, ...(areReusedCopies ? plan.reused : [])];
    await forEachAtOnce(files, atOnce, async ({ path }) => {
      try {
        await syncFile(join(item.destination, path));
      } catch (error) {
        if (!isMissing(error)) throw error; // it vanished from the server before rsync came to it
      }
    });
    await forEachAtOnce(listing.folders, atOnce, async ({ path }) => {
      await syncFolder(join(item.destination, path));
    });
  }
}
