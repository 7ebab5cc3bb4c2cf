import { expect, test } from 'vitest';
import { parseBackupLabel } from '../../../src/postgres/backup-label.ts';
import { formatIsoTime } from '../../../src/shared/timestamp.ts';
import { formatLsn } from '../../../src/wal/lsn.ts';

const label = [
  'START WAL LOCATION: 16/5000028 (file 000000020000001600000005)',
  'CHECKPOINT LOCATION: 16/5000060',
  'BACKUP METHOD: streamed',
  'BACKUP FROM: primary',
  'START TIME: 2026-01-02 12:00:00 UTC',
  'LABEL: pg_basebackup base backup',
  'START TIMELINE: 2',
  '',
].join('\n');

test('a label says where and when its backup begins', () => {
  const found = parseBackupLabel(label)!;
  expect(formatLsn(found.lsn)).toBe('16/5000028');
  expect(found.segment).toBe('000000020000001600000005');
  expect(formatIsoTime(found.startedAt!)).toBe('2026-01-02T12:00:00+00:00');
});

test('a time zone that cannot be read leaves the time open', () => {
  expect(parseBackupLabel(label.replace(' UTC', ' CEST'))).toMatchObject({ startedAt: undefined });
});

test.each(['', 'LABEL: x', 'START WAL LOCATION: x (file 000000020000001600000005)', 'START WAL LOCATION: 0/2 (file 5)'])(
  '%j is no label',
  (text) => {
    expect(parseBackupLabel(text)).toBeUndefined();
  },
);
