import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backup } from '../catalog/backups/backup.ts';
import { isMissing } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { formatLsn, type Lsn, parseLsn } from '../wal/lsn.ts';

/** WAL that a backup needs, as its manifest says. */
interface WalRange {
  readonly begin: Lsn;
  readonly end: Lsn;
}

const tailBytes = 64 * 1024;

/** Reads the WAL ranges at the end of a `backup_manifest`; none before PostgreSQL 13. */
export async function readWalRanges(dataFolder: string): Promise<readonly WalRange[]> {
  try {
    await using file = await open(join(dataFolder, 'backup_manifest'));
    const { size } = await file.stat();
    const begin = Math.max(0, size - tailBytes);
    const { buffer } = await file.read(Buffer.alloc(size - begin), 0, size - begin, begin);
    return walRangesIn(buffer.toString('latin1'));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** The WAL ranges in the last part of a manifest. */
export function walRangesIn(text: string): readonly WalRange[] {
  const list = /"WAL-Ranges"\s*:\s*\[([^\]]*)\]/.exec(text)?.[1] ?? '';
  return [...list.matchAll(/"Start-LSN"\s*:\s*"([^"]+)"\s*,\s*"End-LSN"\s*:\s*"([^"]+)"/g)].flatMap(
    ([, first = '', last = '']) => {
      const [begin, end] = [parseLsn(first), parseLsn(last)];
      return begin === undefined || end === undefined ? [] : [{ begin, end }];
    },
  );
}

type Positions = Pick<Backup, 'beginXlog' | 'endXlog'>;

/**
 * Makes sure that begin and end of a backup can belong to one server: otherwise it could not be restored.
 * @throws OperatorError `backup-failed`
 */
export function requirePossiblePositions({ beginXlog, endXlog }: Positions, ranges: readonly WalRange[]): void {
  if (beginXlog === null || endXlog === null) return;
  const refuse = (reason: string): never => {
    throw new OperatorError('backup-failed', `the backup ${reason}: its files and its positions are of different servers`, {
      hint: 'let conninfo and streaming_conninfo reach the same node: another host behind one address, or a failover during the backup, causes this',
    });
  };
  if (endXlog < beginXlog) refuse(`ends at ${formatLsn(endXlog)}, before its begin at ${formatLsn(beginXlog)}`);
  const last = ranges
    .map(({ end }) => end)
    .reduce<Lsn | undefined>((most, end) => (most === undefined || end > most ? end : most), undefined);
  if (last !== undefined && last > endXlog)
    refuse(`ends at ${formatLsn(endXlog)}, and its manifest says that WAL up to ${formatLsn(last)} is needed`);
  const first = ranges
    .map(({ begin }) => begin)
    .reduce<Lsn | undefined>((least, begin) => (least === undefined || begin < least ? begin : least), undefined);
  if (first !== undefined && first > beginXlog)
    refuse(`begins at ${formatLsn(beginXlog)}, and its manifest says that its WAL begins at ${formatLsn(first)}`);
}
