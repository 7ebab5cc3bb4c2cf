import { join } from 'node:path';
import type { WalStorage } from '../encryption/stored-wal.ts';
import { namesIn } from '../shared/look.ts';
import { walKindOf } from '../wal/wal-name.ts';
import { readBackupRecords } from './backups/backup-records.ts';
import { type KnownCluster, readStoredCluster } from './identity.ts';
import type { ServerLayout } from './server-layout.ts';
import { readFirstPage } from './wal/segment-content.ts';

/**
 * Which cluster the catalog belongs to: what `identity.json` says; where that is missing or broken, the newest backup that is DONE; else
 * the newest archived segment that can be read without a secret. Undefined for a catalog that holds nothing yet.
 */
export async function readKnownCluster(layout: ServerLayout, storage: WalStorage): Promise<KnownCluster | undefined> {
  const stored = await readStoredCluster(layout);
  if (stored !== undefined) return stored;
  const { backups } = await readBackupRecords(layout);
  const backup = backups.findLast(({ status, systemid }) => status === 'DONE' && systemid !== null);
  if (backup?.systemid !== undefined && backup.systemid !== null)
    return { systemid: backup.systemid, source: `backup ${backup.id}` };
  return await clusterOfArchive(layout, storage);
}

async function clusterOfArchive(layout: ServerLayout, storage: WalStorage): Promise<KnownCluster | undefined> {
  const folders = (await namesIn(layout.wals)).filter((name) => /^[0-9A-F]{16}$/.test(name)).toSorted();
  for (const folder of folders.toReversed()) {
    const segments = (await namesIn(join(layout.wals, folder))).filter((name) => walKindOf(name) === 'segment').toSorted();
    const newest = segments.at(-1);
    if (newest === undefined) continue;
    const page = await readFirstPage(join(layout.wals, folder, newest), storage);
    return page === undefined ? undefined : { systemid: String(page.systemid), source: `the archived segment ${newest}` };
  }
  return undefined;
}
