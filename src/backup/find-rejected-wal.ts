import { join } from 'node:path';
import type { Backup } from '../catalog/backups/backup.ts';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { readFirstPage, readSegmentContent } from '../catalog/wal/segment-content.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import type { WalStorage } from '../encryption/stored-wal.ts';
import { isMissing, namesIn } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { epochSeconds } from '../shared/timestamp.ts';
import type { FirstPage } from '../wal/first-page.ts';
import type { SegmentName } from '../wal/wal-name.ts';

/** By how much the clocks of the server and of this host may differ. */
const clocksDifferBySeconds = 3600;

/**
 * Why the archive does not hold the WAL of a backup although its names are there, or can come: a segment of this very cluster was kept out
 * since the backup began, or one that it begins or ends with is of another cluster. Undefined when nothing says so.
 */
export async function findRejectedWal(layout: ServerLayout, backup: Backup, storage: WalStorage): Promise<string | undefined> {
  const { beginWal, endWal, systemid } = backup;
  if (beginWal === null || endWal === null) return undefined;
  for (const { name, file } of await rejectedSince(layout, backup)) {
    const path = join(layout.errors, file);
    const content = await orNothing(readSegmentContent(path, storage));
    if (content?.kind !== 'whole' || !isOf(content.page, systemid)) continue;
    return `its WAL segment ${name} was kept out of the archive, because of other WAL of that name or of another cluster: ${path}`;
  }
  for (const name of new Set([beginWal, endWal])) {
    const page = await orNothing(readFirstPage(walArchiveOf(layout).pathOf(name), storage));
    if (page !== undefined && !isOf(page, systemid))
      return `the archived WAL segment ${name} belongs to another cluster (${String(page.systemid)})`;
  }
  return undefined;
}

function isOf(page: FirstPage, systemid: string | null): boolean {
  return systemid === null || systemid === String(page.systemid);
}

/** Segments between the begin and the end of a backup in the errors folder that came there after its begin. */
async function rejectedSince(
  layout: ServerLayout,
  { beginWal, endWal, beginTime }: Backup,
): Promise<readonly { readonly name: string; readonly file: string }[]> {
  const since = beginTime === null ? 0 : epochSeconds(beginTime) - clocksDifferBySeconds;
  const found = [];
  for (const file of (await namesIn(layout.errors)).toSorted()) {
    const match = /^([0-9A-F]{24})\.(\d{8}T\d{6}Z)(?:\.\d+)?\.(?:duplicate|foreign|misnamed)$/.exec(file);
    const [, name = '', stamp = ''] = match ?? [];
    if (match === null || !isBetween(name, beginWal, endWal) || secondsOf(stamp) < since) continue;
    found.push({ name, file });
  }
  return found;
}

/** All three are of one length, and sort as they follow each other on a timeline. */
function isBetween(name: string, begin: SegmentName | null, end: SegmentName | null): boolean {
  return begin !== null && end !== null && name >= begin && name <= end;
}

function secondsOf(stamp: string): number {
  return Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')) / 1000;
}

/** What cannot be read says nothing. */
async function orNothing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isMissing(error) || error instanceof OperatorError) return undefined;
    throw error;
  }
}
