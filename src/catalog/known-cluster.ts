import type { WalStorage } from '../encryption/stored-wal.ts';
import { readBackupRecords } from './backups/backup-records.ts';
import { type KnownCluster, readStoredCluster } from './identity.ts';
import type { ServerLayout } from './server-layout.ts';
import { readFirstPage } from './wal/segment-content.ts';
import { walArchiveOf } from './wal/wal-archive.ts';

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
  const archive = walArchiveOf(layout);
  const newest = await archive.newestSegment();
  const page = newest === undefined ? undefined : await readFirstPage(archive.pathOf(newest), storage);
  return newest === undefined || page === undefined
    ? undefined
    : { systemid: String(page.systemid), source: `the archived segment ${newest}` };
}
