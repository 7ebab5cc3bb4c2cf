import type { Context } from '../shared/context.ts';
import { endTogether } from '../shared/end-together.ts';
import { pathExists } from '../shared/look.ts';
import type { CopyClusterOptions, CopyItem } from './copy-item.ts';
import { type PreparedItem, prepareItem } from './prepare-item.ts';
import { bytesToSend, type ComingItem, type SendingTimes, sendItems } from './send-items.ts';

/** The result of copying, for statistics, syncing and verifying. */
export interface CopiedItem extends PreparedItem, SendingTimes {
  readonly item: CopyItem;
}

/**
 * Copies folders of a running cluster: one walk over each, then what did not change is taken from the backup before and the rest is sent by
 * rsync, in parallel where that is asked for. Nothing is synced.
 * @throws OperatorError `command-failed`, `program-missing`, `file-unwritable` or `interrupted`
 */
export async function copyCluster(options: CopyClusterOptions, context: Context): Promise<CopiedItem[]> {
  const stop = new AbortController();
  const stoppable = { ...context, signal: AbortSignal.any([context.signal, stop.signal]) };
  const items = (await Promise.all(options.items.map(withExistingReference))).map((item): ComingItem => {
    const prepared = options.begun.then(async () => await prepareItem(item, options, stoppable));
    return { item, prepared, times: { copySeconds: 0, serializedSeconds: 0 } };
  });
  const preparing = items.map(async ({ prepared }) => await prepared);
  try {
    await endTogether(stop, [beginProgress(preparing, context), sendItems(items, options, stoppable)]);
  } finally {
    context.progress.end();
  }
  return await Promise.all(items.map(async ({ item, prepared, times }) => ({ item, ...(await prepared), ...times })));
}

/** A tablespace may be newer than the backup before. */
async function withExistingReference(item: CopyItem): Promise<CopyItem> {
  const { reference } = item;
  return reference === undefined || (await pathExists(reference)) ? item : { ...item, reference: undefined };
}

async function beginProgress(preparing: readonly Promise<PreparedItem>[], { progress }: Context): Promise<void> {
  const prepared = await Promise.all(preparing);
  progress.begin({ label: 'Copying files', totalBytes: prepared.reduce((sum, { plan }) => sum + bytesToSend(plan), 0) });
}
