import { expect, test } from 'vitest';
import type { BackupSummary } from '../../../src/operations/reports/backup-reports.ts';
import { renderBackupTable } from '../../../src/output/render-backup-table.ts';
import { renderStatusPage } from '../../../src/output/render-status-page.ts';
import { shortAge, table } from '../../../src/output/table.ts';
import { parseTimestamp } from '../../../src/shared/timestamp.ts';
import { backupOf } from '../check/check-setup.ts';
import { idOf, statusOf } from './samples.ts';

const wal = { neededBytes: 16 << 20, laterBytes: 5 * 2 ** 30 };
const summaryOf = (id: string, known: Parameters<typeof backupOf>[1], more: Partial<BackupSummary> = {}): BackupSummary =>
  ({ backup: backupOf(id, known), type: 'full', wal, retention: 'VALID', ...more }) as BackupSummary; // only what a table reads

test('a table is as wide as what it holds, numbers end at one line, and nothing stands behind the last cell', () => {
  expect(
    table(
      [{ heading: 'NAME' }, { heading: 'SIZE', isNumber: true }, { heading: 'STATE' }],
      [
        ['a', '1 B', ''],
        ['long name', '10 B', 'done'],
      ],
    ),
  ).toEqual(['NAME       SIZE  STATE', 'a           1 B', 'long name  10 B  done']);
});

test.each([
  [0, '0 s'],
  [59, '59 s'],
  [60, '1 min'],
  [7199, '1 h'],
  [200_000, '2 d'],
  [-5, '0 s'],
])('an age of %i seconds is %s', (seconds, text) => {
  expect(shortAge(seconds)).toBe(text);
});

test('backups are listed with kind, age, size, state and retention, within 80 columns', () => {
  const endTime = parseTimestamp('2026-11-30 10:00:00+00:00') ?? null;
  const lines = renderBackupTable(
    {
      serverName: 'main',
      backups: [
        summaryOf(
          '20261130T100000',
          { status: 'DONE', endTime, size: 3 * 2 ** 30 },
          {
            type: 'incremental',
            retention: 'KEEP:STANDALONE',
          },
        ),
        summaryOf(
          '20261129T100000',
          { status: 'FAILED', endTime: null, size: null },
          {
            retention: '-',
          },
        ),
      ],
    },
    new Date('2026-11-30T12:30:00Z'),
  );
  expect(lines[0]).toBe('main: 2 backups');
  expect(lines[2]).toMatch(/^20261130T100000 {2}incremental {2}2 h {2}3.0 GiB {2}5\.0 GiB {2}done {4}keep:standalone$/);
  expect(lines[3]).toMatch(/^20261129T100000 {2}full +- +- +- {2}failed {2}-$/);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
});

const status = (count: number) => ({
  ...statusOf('main'),
  catalog: { ...statusOf('main').catalog, doneCount: count, lastBackup: idOf('20261130T100000') },
});
const result = { name: 'receive-wal running', isOk: false, hint: 'See the Barman log file for more details' };

test.each([
  { title: 'all is well', count: 2, results: [], lines: ['yes: 2 of them, the newest is 20261130T100000', 'nothing'] },
  { title: 'a check fails', count: 2, results: [result], lines: ['receive-wal running (See', 'pgcellar doctor main'] },
  { title: 'there is no backup', count: 0, results: [], lines: ['no: there is no backup', 'pgcellar backup main'] },
])('the page of a server answers what to do when $title', ({ count, results, lines }) => {
  const page = renderStatusPage(status(count), { name: 'main', results } as never, { program: ['pgcellar'], columns: 80 }).join(
    '\n',
  );
  for (const line of lines) expect(page).toContain(line);
  expect(page.includes('To when?')).toBe(count > 0);
});
