import { join } from 'node:path';
import { syncFile, syncFolder } from '../shared/durable-file.ts';
import { forEachConcurrently } from '../shared/for-each-concurrently.ts';
import { isMissing } from '../shared/look.ts';
import { throwIfInterrupted } from '../shared/throw-if-interrupted.ts';
import type { CopiedItem } from './copy-cluster.ts';
import type { FileSelection, SourceFile } from './file-table.ts';

const concurrency = 8;

interface SyncOptions {
  /** Files from the previous backup are copies, not hard links. */
  readonly areReusedCopies: boolean;
  readonly signal: AbortSignal;
}

/**
 * Makes what was copied survive a power cut; hard links to the backup before need it only for their folders.
 * @throws OperatorError `interrupted`
 */
export async function syncCopied(copied: readonly CopiedItem[], { areReusedCopies, signal }: SyncOptions): Promise<void> {
  for (const { item, plan, listing } of copied) {
    const files = areReusedCopies ? [plan.sent, plan.compared, plan.reused] : [plan.sent, plan.compared];
    await forEachConcurrently(allOf(files), concurrency, async ({ path }) => {
      throwIfInterrupted(signal);
      try {
        await syncFile(join(item.destination, path));
      } catch (error) {
        if (!isMissing(error)) throw error; // it vanished from the server before rsync came to it
      }
    });
    await forEachConcurrently(listing.folders, concurrency, async ({ path }) => {
      throwIfInterrupted(signal);
      await syncFolder(join(item.destination, path));
    });
  }
}

function* allOf(selections: readonly FileSelection[]): Generator<SourceFile> {
  for (const selection of selections) yield* selection;
}
