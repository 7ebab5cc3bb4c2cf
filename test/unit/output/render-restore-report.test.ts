import { expect, test } from 'vitest';
import type { RestoreReport } from '../../../src/operations/reports/restore-reports.ts';
import { renderRestoreReport } from '../../../src/output/render-restore-report.ts';
import { timeOf } from './samples.ts';

const quiet: RestoreReport = {
  changes: [],
  warnings: [],
  missingFiles: [],
  fetchesWal: false,
  stages: [{ stage: 'copy', bytes: 3000, seconds: 1.5 }],
  startedAt: timeOf('2026-11-23 18:18:14.986219+00:00'),
  elapsedSeconds: 1.146634,
};
const completed = [
  '',
  'Restore operation completed (start time: 2026-11-23 18:18:14.986219+00:00, elapsed time: 1 second)',
  'Your PostgreSQL server has been successfully prepared for recovery!',
];

test('a restore that changed nothing only says that it is complete', () => {
  expect(renderRestoreReport(quiet)).toEqual({
    lines: completed,
    json: {
      changes: [],
      changes_count: 0,
      warnings: [],
      warnings_count: 0,
      missing_files: [],
      recovery_start_time: '2026-11-23 18:18:14.986219+00:00',
      recovery_start_time_timestamp: '1795457894',
      recovery_elapsed_time: '1 second',
      recovery_elapsed_time_seconds: 1.146634,
      stages: [{ stage: 'copy', bytes: 3000, seconds: 1.5, bytes_per_second: 2000 }],
    },
  });
});

test('changed and dangerous settings stand in blocks of their own', () => {
  const { lines, json } = renderRestoreReport({
    ...quiet,
    changes: [{ file: 'postgresql.conf', line: 821, key: 'archive_command', value: 'false' }],
    warnings: [{ file: 'postgresql.conf', line: 823, key: 'hba_file', value: "'/etc/hba.conf'" }],
  });
  expect(lines).toEqual([
    '',
    'IMPORTANT',
    'These settings have been modified to prevent data losses',
    '',
    'postgresql.conf line 821: archive_command = false',
    '',
    'WARNING',
    'You are required to review the following options as potentially dangerous',
    '',
    "postgresql.conf line 823: hba_file = '/etc/hba.conf'",
    ...completed,
  ]);
  expect(json).toMatchObject({
    changes: [['postgresql.conf', 821, 'archive_command', 'false']],
    changes_count: 1,
    warnings: [['postgresql.conf', 823, 'hba_file', "'/etc/hba.conf'"]],
    warnings_count: 1,
    _WARNING: [expect.stringContaining("'changes'"), expect.stringContaining("'warnings'")],
  });
});

test('missing files and get-wal are pointed out', () => {
  const { lines, json } = renderRestoreReport({ ...quiet, missingFiles: ['/etc/pg_hba.conf'], fetchesWal: true });
  expect(lines).toContain('    /etc/pg_hba.conf');
  expect(lines).toContain("WARNING: the restored server fetches its WAL with 'get-wal'.");
  expect(json).toMatchObject({ missing_files: ['/etc/pg_hba.conf'], _WARNING: [expect.any(String), expect.any(String)] });
});
