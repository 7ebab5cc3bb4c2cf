import { expect, test } from 'vitest';
import { type BackupStatus, parseBackupId } from '../../../src/catalog/backups/backup.ts';
import { wantsBackup } from '../../../src/maintenance/backup-after-switch.ts';
import { formatCompactTime, localTimestamp } from '../../../src/shared/timestamp.ts';

const at = new Date('2026-03-04T10:00:00Z');
const minutesLater = (minutes: number): Date => new Date(at.getTime() + minutes * 60_000);
const begun = (minutes: number, status: BackupStatus) => ({
  id: parseBackupId(formatCompactTime(localTimestamp(minutesLater(minutes))))!,
  status,
});

test.each([
  { title: 'none since the switch', backups: [begun(-60, 'DONE')], now: 1, wants: true },
  { title: 'one that was begun since', backups: [begun(1, 'STARTED')], now: 2, wants: false },
  { title: 'one that is done since', backups: [begun(1, 'DONE')], now: 90, wants: false },
  { title: 'one that has just failed', backups: [begun(1, 'FAILED')], now: 5, wants: false },
  { title: 'one that failed a while ago', backups: [begun(1, 'FAILED')], now: 30, wants: true },
])('after a change of the primary, with $title: $wants', ({ backups, now, wants }) => {
  expect(wantsBackup({ at }, backups, minutesLater(now))).toBe(wants);
});
