import { readLedger } from '../../catalog/index/read-ledger.ts';
import type { Server } from '../../config/server.ts';
import { timelineOf } from '../../wal/wal-name.ts';

/**
 * Whether a new cluster may archive here (docs/reference/cli.md section 10.5): nothing may be in the archive, or with a timeline nothing on that one or
 * a newer one.
 * @returns why not; undefined when it may
 */
export async function checkArchiveForNewCluster(server: Server, timeline: number | undefined): Promise<string | undefined> {
  const ledger = await readLedger(server.layout);
  if (timeline === undefined) return ledger.count === 0 ? undefined : 'Expected empty archive';
  const segments = ledger.timelines.filter((wal) => wal.timeline >= timeline).reduce((sum, { count }) => sum + count, 0);
  const newer = segments + ledger.others.filter(({ name }) => timelineOf(name) >= timeline).length;
  if (newer === 0) return undefined;
  return `Found ${String(newer)} file${newer === 1 ? '' : 's'} in WAL archive equal to or newer than timeline ${String(timeline)}`;
}
