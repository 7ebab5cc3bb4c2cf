import type { Backup } from '../../catalog/backups/backup.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { isSegmentSize, type SegmentName, segmentIndex, segmentsBetween } from '../../wal/wal-name.ts';

/** More than any backup needs: a record that says so is damaged, or made to fill our memory. */
const mostSegments = 1_000_000;

/** Segments from the begin of a backup to its end. @throws OperatorError `backup-info-invalid` when the record does not say */
export function neededSegments({ id, beginWal, endWal, xlogSegmentSize }: Backup): readonly SegmentName[] {
  const isSound =
    beginWal !== null &&
    endWal !== null &&
    beginWal.slice(0, 8) === endWal.slice(0, 8) &&
    beginWal <= endWal &&
    isSegmentSize(xlogSegmentSize) &&
    segmentIndex(endWal, xlogSegmentSize) - segmentIndex(beginWal, xlogSegmentSize) < mostSegments;
  if (isSound) return [...segmentsBetween(beginWal, endWal, xlogSegmentSize)];
  throw new OperatorError('backup-info-invalid', `the record of backup ${id} does not say which WAL it needs`);
}
