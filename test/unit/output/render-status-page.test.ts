import { expect, test } from 'vitest';
import type { CheckReport } from '../../../src/operations/reports/server-reports.ts';
import { renderStatusPage } from '../../../src/output/render-status-page.ts';
import { statusOf } from './samples.ts';

const status = statusOf('main');
const report = {
  name: 'main',
  problems: ["server 'main': slot_name is missing; it is required when streaming_archiver is the only archiver"],
  results: [
    { name: 'PostgreSQL', isOk: false, hint: 'cannot connect to PostgreSQL on 127.0.0.1 port 1 as x: connect ECONNREFUSED' },
    { name: 'configuration', isOk: false },
    { name: 'directories', isOk: true },
  ],
} as unknown as CheckReport; // likewise

test('a page fits a terminal of 80 columns, and tells each problem of the configuration', () => {
  const lines = renderStatusPage(status, report, { program: ['pgcellar'], columns: 80 });
  expect(lines).toEqual([
    'main',
    '  Can I restore?  no: there is no backup',
    '  What is wrong?  PostgreSQL (cannot connect to PostgreSQL on 127.0.0.1 port 1',
    '                    as x: connect ECONNREFUSED)',
    '                  configuration',
    "                  - server 'main': slot_name is missing; it is required when",
    '                    streaming_archiver is the only archiver',
    '  What to do?     pgcellar doctor main',
  ]);
});

test('in a pipe each problem is one line', () => {
  const lines = renderStatusPage(status, report, { program: ['pgcellar'], columns: undefined });
  expect(lines.filter((line) => line.includes('connect ECONNREFUSED)') || line.includes('only archiver'))).toHaveLength(2);
  expect(lines).toHaveLength(6);
});

test('a command to be run is never folded', () => {
  const program = ['pgcellar', '-c', '/a/rather/long/path/to/a/configuration/file/that/somebody/has/made.conf'];
  const lines = renderStatusPage(status, report, { program, columns: 80 });
  expect(lines.at(-1)).toBe(`  What to do?     ${program.join(' ')} doctor main`);
});
