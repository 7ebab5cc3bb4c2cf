import { archivedWalPath } from '../catalog/archive-layout.ts';
import { isCopyDone } from '../catalog/backup.ts';
import { readBackupRecords } from '../catalog/backup-records.ts';
import type { Server } from '../config/server.ts';
import { pathExists } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { parseSegmentName, type SegmentName, segmentsBetween, timelineOf } from '../wal/wal-name.ts';

/** The segments of a range that are not in the archive. */
export interface WalRangeReport {
  readonly serverName: string;
  readonly begin: SegmentName;
  readonly end: SegmentName;
  readonly missing: readonly SegmentName[];
}

/** Two names as a range, both ends included. @throws OperatorError `wal-name-invalid` (exit 1 here, as in the reference) or `usage` */
export function parseWalRange(begin: string, end: string): { readonly begin: SegmentName; readonly end: SegmentName } {
  const [first, last] = [segmentNamed(begin), segmentNamed(end)];
  if (timelineOf(first) !== timelineOf(last)) throw refused(`${first} and ${last} are on different timelines`);
  if (first > last) throw refused(`the range is reversed: ${first} comes after ${last}`);
  return { begin: first, end: last };
}

/**
 * Looks for each segment of a range in the archive itself (since-3.17.md section 2.1).
 * @throws OperatorError `unknown-backup` when no backup says how large a segment is
 */
export async function checkWalRange(
  server: Server,
  range: { readonly begin: SegmentName; readonly end: SegmentName },
): Promise<WalRangeReport> {
  const { backups } = await readBackupRecords(server.layout);
  const newest = backups.findLast(isCopyDone);
  if (newest === undefined) {
    throw new OperatorError(
      'unknown-backup',
      `server '${server.config.name}' has no backup that says how large a WAL segment is`,
    );
  }
  const missing: SegmentName[] = [];
  for (const name of segmentsBetween(range.begin, range.end, newest.xlogSegmentSize)) {
    if (!(await pathExists(archivedWalPath(server.layout, name)))) missing.push(name);
  }
  return { serverName: server.config.name, ...range, missing };
}

function segmentNamed(text: string): SegmentName {
  const name = parseSegmentName(text);
  if (name === undefined) throw refused(`'${text}' is not the name of a WAL segment`);
  return name;
}

function refused(message: string): OperatorError {
  return new OperatorError('target-invalid', message, {
    hint: 'give two segment names of 24 hexadecimal digits on one timeline, the older one first',
  });
}
