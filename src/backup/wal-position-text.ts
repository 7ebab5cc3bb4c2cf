import { formatLsn, type Lsn } from '../wal/lsn.ts';

/** `0/5000028 (000000010000000000000005, 00000028)`: how a position is told to the user. */
export function walPositionText(lsn: Lsn, segment: string, offset: number): string {
  return `${formatLsn(lsn)} (${segment}, ${offset.toString(16).toUpperCase().padStart(8, '0')})`;
}
