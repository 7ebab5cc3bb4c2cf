import { namesIn } from '../shared/look.ts';
import { walKindOf } from '../wal/wal-name.ts';
import type { ServerLayout } from './server-layout.ts';

/**
 * Whether a receiver has ever begun a segment that is not archived yet. Before it has, its slot may not be there, and then a segment that is
 * closed is one that never comes (PostgreSQL manual, pg_receivewal: without a slot it starts at the server's current position).
 */
export async function hasReceiverBegun({ streaming }: ServerLayout): Promise<boolean> {
  return (await namesIn(streaming)).some((name) => ['segment', 'partial'].includes(walKindOf(name) ?? ''));
}
