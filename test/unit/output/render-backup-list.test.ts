import { describe, expect, test } from 'vitest';
import type { BackupSummary } from '../../../src/operations/reports/backup-reports.ts';
import { renderBackupList } from '../../../src/output/render-backup-list.ts';
import { backupOf, idOf, noWal, summaryOf, timeOf } from './samples.ts';

const wal = { ...noWal, neededBytes: 16777216, laterBytes: 33634432 };

const rows: readonly { fact: string; summary: BackupSummary; line: string }[] = [
  {
    fact: 'a complete backup shows when it ended and what it takes',
    summary: summaryOf(backupOf(), { wal }),
    line: 'pg1 20260122T222533 - F - Thu Jan 22 22:25:35 2026 - Size: 38.2 MiB - WAL Size: 32.1 MiB',
  },
  {
    fact: 'its name stands in quotes behind the id, and a day below 10 keeps two columns',
    summary: summaryOf(backupOf({ backupName: 'weekly', endTime: timeOf('2026-02-02 22:25:33+02:00') })),
    line: "pg1 20260122T222533 'weekly' - F - Mon Feb  2 22:25:33 2026 - Size: 22.2 MiB - WAL Size: 0 B",
  },
  {
    fact: 'an incremental one is I',
    summary: summaryOf(backupOf({ parentBackupId: idOf('20260121T222533') }), { retention: 'VALID' }),
    line: 'pg1 20260122T222533 - I - Thu Jan 22 22:25:35 2026 - Size: 22.2 MiB - WAL Size: 0 B',
  },
  {
    fact: 'retention is shown when it says more than valid',
    summary: summaryOf(backupOf({ mode: 'rsync-concurrent' }), { retention: 'OBSOLETE' }),
    line: 'pg1 20260122T222533 - R - Thu Jan 22 22:25:35 2026 - Size: 22.2 MiB - WAL Size: 0 B - OBSOLETE',
  },
  {
    fact: 'one that waits for WAL says so',
    summary: summaryOf(backupOf({ status: 'WAITING_FOR_WALS', mode: 'snapshot-concurrent', size: null }), { retention: '-' }),
    line: 'pg1 20260122T222533 - S - Thu Jan 22 22:25:35 2026 - Size: 0 B - WAL Size: 0 B - WAITING_FOR_WALS',
  },
  {
    fact: 'any other shows its status alone',
    summary: summaryOf(backupOf({ status: 'FAILED', backupName: 'x' }), { retention: '-' }),
    line: "pg1 20260122T222533 'x' - F - FAILED",
  },
];

describe('a line of list-backups', () => {
  test.each(rows)('$fact', ({ summary, line }) => {
    expect(renderBackupList([{ serverName: 'pg1', backups: [summary] }], { minimal: false }).lines).toEqual([line]);
  });
});

test('JSON has sizes as text and as numbers, and the end as a text of digits', () => {
  const backups = [
    summaryOf(backupOf(), { wal, retention: 'VALID' }),
    summaryOf(backupOf({ status: 'EMPTY', backupName: 'x' })),
  ];
  expect(renderBackupList([{ serverName: 'pg1', backups }], { minimal: false }).json).toEqual({
    pg1: [
      {
        backup_id: '20260122T222533',
        backup_type: 'full',
        status: 'DONE',
        end_time: 'Thu Jan 22 22:25:35 2026',
        end_time_timestamp: '1769120735',
        size: '38.2 MiB',
        size_bytes: 40054216,
        wal_size: '32.1 MiB',
        wal_size_bytes: 33634432,
        retention_status: '-',
      },
      { backup_id: '20260122T222533', backup_name: 'x', backup_type: 'full', status: 'EMPTY' },
    ],
  });
});

test('a minimal list is ids, server after server; an empty catalog has no line', () => {
  const lists = [
    { serverName: 'pg1', backups: [summaryOf(backupOf())] },
    { serverName: 'pg2', backups: [] },
  ];
  expect(renderBackupList(lists, { minimal: true })).toEqual({
    lines: ['20260122T222533'],
    json: { pg1: ['20260122T222533'], pg2: [] },
  });
  expect(renderBackupList(lists.slice(1), { minimal: false })).toEqual({ lines: [], json: { pg2: [] } });
});
