import { isCopyDone } from '../../catalog/backups/backup.ts';
import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import type { Server } from '../../config/server.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { parseSegmentName, type SegmentName, segmentIndex, segmentsBetween, timelineOf } from '../../wal/wal-name.ts';

/** 160 TB of WAL: a range that is longer has a name that was typed wrongly, and would be listed for hours. */
const mostSegments = 10_000_000;

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
  if (timelineOf(first) !== timelineOf(last))
    throw refused(`begin_wal (${first}) and end_wal (${last}) must be on the same timeline`);
  if (first > last) throw refused(`begin_wal (${first}) must not be greater than end_wal (${last})`);
  return { begin: first, end: last };
}

/**
 * Looks for each segment of a range in the archive itself (docs/reference/since-3.17.md section 2.1).
 * @throws OperatorError `unknown-backup` when no backup says how large a segment is, `target-invalid` for a range without bounds
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
      `No backup found for server '${server.config.name}': cannot determine WAL segment size`,
    );
  }
  const segmentSize = newest.xlogSegmentSize;
  const count = segmentIndex(range.end, segmentSize) - segmentIndex(range.begin, segmentSize) + 1;
  if (count > mostSegments)
    throw refused(`${range.begin}..${range.end} are ${String(count)} segments, more than an archive can have`);
  const missing = await walArchiveOf(server.layout).missing(segmentsBetween(range.begin, range.end, segmentSize));
  return { serverName: server.config.name, ...range, missing };
}

function segmentNamed(text: string): SegmentName {
  const name = parseSegmentName(text);
  if (name === undefined) throw refused(`Invalid WAL segment name: ${text}`);
  return name;
}

function refused(message: string): OperatorError {
  return new OperatorError('target-invalid', message, {
    hint: 'give two segment names of 24 hexadecimal digits on one timeline, the older one first',
  });
}
