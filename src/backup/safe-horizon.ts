import type { Backup } from '../catalog/backups/backup.ts';
import { epochSeconds } from '../shared/timestamp.ts';

/**
 * Seconds since the epoch, on the clock of the server: a file that was last changed before was not changed while that backup copied it.
 * That is when the backup began (docs/reference/engine.md section 6.5), or later, the time in its label: PostgreSQL writes that down after its
 * checkpoint, so that files written by the checkpoint need no second look. A label without a zone that we know says nothing.
 */
export function safeHorizon({ beginTime, endTime, backupLabel }: Backup): number | undefined {
  if (beginTime === null) return undefined;
  const began = epochSeconds(beginTime);
  const [, date, zone] = /^START TIME: (\S+ \S+) (\S+)$/m.exec(backupLabel ?? '') ?? [];
  if (date === undefined || !['UTC', 'GMT'].includes(zone ?? '')) return began;
  const labelled = Date.parse(`${date.replace(' ', 'T')}Z`) / 1000;
  const isWithin = labelled >= began && (endTime === null || labelled <= epochSeconds(endTime) + 1);
  return isWithin ? labelled : began;
}
