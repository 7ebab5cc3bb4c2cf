import { WalIndex } from '../catalog/wal-index.ts';
import type { Server } from '../config/server.ts';
import { timelineOf, walKindOf } from '../wal/wal-name.ts';

/**
 * Whether a new cluster may archive here (cli.md section 10.5): nothing may be in the archive, or with a timeline nothing on that one or
 * a newer one.
 * @returns why not; undefined when it may
 */
export async function checkArchiveForNewCluster(server: Server, timeline: number | undefined): Promise<string | undefined> {
  let total = 0;
  let newer = 0;
  await using index = await WalIndex.open(server.layout);
  await index.visit(({ name }) => {
    total++;
    if (timeline !== undefined && walKindOf(name) !== undefined && timelineOf(name) >= timeline) newer++;
  });
  if (timeline === undefined) return total === 0 ? undefined : 'Expected empty archive';
  if (newer === 0) return undefined;
  return `Found ${String(newer)} file${newer === 1 ? '' : 's'} in WAL archive equal to or newer than timeline ${String(timeline)}`;
}
