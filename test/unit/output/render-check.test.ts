import { describe, expect, test } from 'vitest';
import type { CheckResult } from '../../../src/check/check.ts';
import type { CheckReport } from '../../../src/operations/reports/server-reports.ts';
import { colouredLine, markedColours } from '../../../src/output/colours.ts';
import { nagiosReport } from '../../../src/output/nagios-report.ts';
import { renderCheck } from '../../../src/output/render-check.ts';
import { serverOf } from './samples.ts';

const ok = (name: string, more: Partial<CheckResult> = {}): CheckResult => ({ name, isOk: true, isCritical: false, ...more });
const failed = (name: string, hint?: string): CheckResult => ({ name, isOk: false, hint, isCritical: true });
const sizes = (last: number, wals: number) => [
  ok('backup minimum size', { perfdata: last, hint: 'x' }),
  ok('wal size', { perfdata: wals }),
];

function reportOf(name: string, results: readonly CheckResult[], more: Partial<CheckReport> = {}): CheckReport {
  return { ...serverOf(name), results, problems: [], ...more };
}

describe('check', () => {
  const report = reportOf(
    'pg1',
    [ok('PostgreSQL streaming'), failed('configuration'), failed('receive-wal running', 'see the log')],
    {
      isDisabled: true,
      problems: ['no conninfo', 'no ssh_command'],
    },
  );

  test('a hint stands in brackets, problems below the configuration', () => {
    expect(renderCheck(report, { voice: 'own' }).lines).toEqual([
      'Server pg1 (WARNING: disabled):',
      '\tPostgreSQL streaming: OK',
      '\tconfiguration: FAILED',
      '\t\tno conninfo',
      '\t\tno ssh_command',
      '\treceive-wal running: FAILED (see the log)',
    ]);
  });

  test('JSON keys are names without blanks, dashes and dots', () => {
    const named = reportOf('pg1', [...report.results, ok('No. of x', { hint: '3' })]);
    expect(renderCheck({ ...report, results: named.results }, { voice: 'own' }).json).toEqual({
      pg1: {
        postgresql_streaming: { status: 'OK', hint: '' },
        configuration: { status: 'FAILED', hint: '' },
        receive_wal_running: { status: 'FAILED', hint: 'see the log' },
        no_of_x: { status: 'OK', hint: '3' },
      },
      _INFO: ['\t\tno conninfo', '\t\tno ssh_command'],
    });
  });

  test('only OK and FAILED are coloured', () => {
    const report = reportOf('pg1', [ok('ssh'), failed('a', 'OK')]);
    const { lines } = renderCheck(report, { voice: 'own', colours: markedColours('x') });
    expect(lines.slice(1).map((line) => colouredLine(line, 'x'))).toEqual([
      '\tssh: \u001B[32mOK\u001B[0m',
      '\ta: \u001B[31mFAILED\u001B[0m (OK)',
    ]);
  });
});

describe('check --nagios', () => {
  const good = reportOf('pg1', sizes(23210401, 0));
  const better = reportOf('pg2', sizes(5, 7));
  const idle = reportOf('pg3', [failed('WAL archive', 'please'), failed('ssh')], { isActive: false });
  const bad = reportOf('pg4', [failed('WAL archive', 'please make sure'), failed('receive-wal running'), ...sizes(0, 0)]);
  test.each<{ fact: string; reports: CheckReport[]; errors?: boolean; lines: string[]; exitCode: number }>([
    {
      fact: 'one good server',
      reports: [good],
      lines: ['BARMAN OK - Ready to serve the Espresso backup for pg1|pg1=23210401B pg1_wals=0B'],
      exitCode: 0,
    },
    {
      fact: 'two good servers',
      reports: [good, better],
      lines: [
        'BARMAN OK - Ready to serve the Espresso backup for 2 servers * pg1 * pg2|pg1=23210401B pg1_wals=0B pg2=5B pg2_wals=7B',
      ],
      exitCode: 0,
    },
    {
      fact: 'failures of inactive servers are ignored',
      reports: [good, idle],
      lines: [
        'BARMAN OK - Ready to serve the Espresso backup for pg1 * IGNORING: pg3|pg1=23210401B pg1_wals=0B pg3=0B pg3_wals=0B',
      ],
      exitCode: 0,
    },
    { fact: 'no good server left', reports: [idle], lines: ['BARMAN OK - No server configured * IGNORING: pg3'], exitCode: 0 },
    { fact: 'no server at all', reports: [], lines: ['BARMAN OK - No server configured'], exitCode: 0 },
    {
      fact: 'one server, failing',
      reports: [bad],
      lines: [
        'BARMAN CRITICAL - server pg4 has issues * pg4 FAILED: WAL archive, receive-wal running|pg4=0B pg4_wals=0B',
        'pg4.WAL archive: FAILED (please make sure)',
        'pg4.receive-wal running: FAILED',
      ],
      exitCode: 2,
    },
    {
      fact: 'inactive servers count as soon as an active one fails',
      reports: [good, idle, bad],
      errors: true,
      lines: [
        'BARMAN CRITICAL - 2 server out of 3 have issues * pg3 FAILED: WAL archive, ssh * pg4 FAILED: WAL archive, receive-wal running|pg1=23210401B pg1_wals=0B pg3=0B pg3_wals=0B pg4=0B pg4_wals=0B',
        'pg3.WAL archive: FAILED (please)',
        'pg3.ssh: FAILED',
        'pg4.WAL archive: FAILED (please make sure)',
        'pg4.receive-wal running: FAILED',
      ],
      exitCode: 2,
    },
    {
      fact: 'an error that no check explains',
      reports: [good],
      errors: true,
      lines: ['BARMAN CRITICAL - Global configuration errors'],
      exitCode: 2,
    },
  ])('$fact', ({ reports, errors = false, lines, exitCode }) => {
    expect(nagiosReport(reports, { voice: 'barman', hasGlobalErrors: errors })).toEqual({ lines, exitCode });
  });

  test('under its own name it answers with that name', () => {
    const { lines } = nagiosReport([good], { voice: 'own', hasGlobalErrors: false });
    expect(lines[0]).toMatch(/^PGCELLAR OK - Ready to serve/);
  });
});
