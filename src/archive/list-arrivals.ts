import type { ServerLayout } from '../catalog/server-layout.ts';
import { entriesIn } from '../shared/look.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import type { Arrival, ArrivalChannel } from './plan-arrivals.ts';

/** Folder that a channel writes into. */
export function channelFolder(layout: ServerLayout, channel: ArrivalChannel): string {
  return channel === 'streaming' ? layout.streaming : layout.incoming;
}

/** What lies in a channel's folder now; nothing when the folder does not exist yet. */
export async function listArrivals(layout: ServerLayout, channel: ArrivalChannel): Promise<Arrival[]> {
  const folder = channelFolder(layout, channel);
  try {
    const entries = await entriesIn(folder);
    return entries.map((entry) => ({ name: entry.name, isFile: entry.isFile() }));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw new OperatorError('file-unreadable', `cannot read the folder ${folder}: ${systemCodeOf(error) ?? String(error)}`, {
      cause: error,
    });
  }
}
