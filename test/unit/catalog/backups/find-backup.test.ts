import { expect, test } from 'vitest';
import type { Backup } from '../../../../src/catalog/backups/backup.ts';
import { findBackup, neighboursOf, reservedBackupWords } from '../../../../src/catalog/backups/find-backup.ts';
import { aBackup, idOf } from '../a-backup.ts';

const backups: readonly Backup[] = [
  aBackup({ day: 1, status: 'FAILED', backupName: 'broken' }),
  aBackup({ day: 2, mode: 'rsync-concurrent', backupName: 'twin' }),
  aBackup({ day: 3, backupName: 'weekly' }),
  aBackup({ day: 4, parentBackupId: idOf(3), backupName: 'twin' }),
  aBackup({ day: 5, mode: 'snapshot-concurrent', backupName: 'ed' }),
  aBackup({ day: 6, status: 'WAITING_FOR_WALS', parentBackupId: idOf(4) }),
  aBackup({ day: 7, status: 'FAILED' }),
  aBackup({ day: 8, status: 'STARTED' }),
  aBackup({ day: 9, status: 'EMPTY' }),
];

test.each([
  { wanted: 'latest', day: 6 },
  { wanted: 'last', day: 6 },
  { wanted: 'oldest', day: 2 },
  { wanted: 'first', day: 2 },
  { wanted: 'latest-full', day: 3 },
  { wanted: 'last-full', day: 3 },
  { wanted: 'last-failed', day: 7 },
  { wanted: 'weekly', day: 3 },
  { wanted: 'ed', day: 5 },
  { wanted: idOf(1), day: 1 },
  { wanted: idOf(9), day: 9 },
])('$wanted is the backup of day $day', ({ wanted, day }) => {
  expect(findBackup(backups, wanted)).toMatchObject({ kind: 'found', backup: { id: idOf(day) } });
});

test.each(['fail', '-', '', 'LATEST', 'auto', 'broken', 'weekly ', '20260103', '20260103T1200', idOf(20), `${idOf(3)}x`])(
  '"%s" is no backup',
  (wanted) => {
    expect(findBackup(backups, wanted)).toEqual({ kind: 'unknown' });
  },
);

test('a name that two usable backups have is ambiguous', () => {
  expect(findBackup(backups, 'twin')).toMatchObject({ kind: 'ambiguous', backups: [{ id: idOf(2) }, { id: idOf(4) }] });
});

test('a failed backup with the same name makes nothing ambiguous', () => {
  const withFailed = [...backups, aBackup({ day: 10, status: 'FAILED', backupName: 'weekly' })];
  expect(findBackup(withFailed, 'weekly')).toMatchObject({ kind: 'found', backup: { id: idOf(3) } });
});

test.each(reservedBackupWords)('%s of an empty catalog is unknown', (wanted) => {
  expect(findBackup([], wanted)).toEqual({ kind: 'unknown' });
});

test('an incremental or a snapshot is no full backup', () => {
  const without = backups.filter(({ id }) => id !== idOf(2) && id !== idOf(3));
  expect(findBackup(without, 'latest-full')).toEqual({ kind: 'unknown' });
});

test.each([
  { day: 1, previous: undefined, next: 2 },
  { day: 3, previous: 2, next: 4 },
  { day: 7, previous: 6, next: undefined },
])('beside day $day lie the usable backups of day $previous and $next', ({ day, previous, next }) => {
  const found = neighboursOf(backups, aBackup({ day }));
  expect(found.previous?.id).toBe(previous === undefined ? undefined : idOf(previous));
  expect(found.next?.id).toBe(next === undefined ? undefined : idOf(next));
});
