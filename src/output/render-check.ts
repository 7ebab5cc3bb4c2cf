import type { CheckResult } from '../check/check.ts';
import type { CheckReport } from '../operations/reports/server-reports.ts';
import type { Json } from '../shared/format-json.ts';
import { type Colours, noColours } from './colours.ts';
import { renderRemedy } from './render-remedy.ts';
import type { Report } from './report.ts';
import { headingOf } from './server-heading.ts';

/**
 * `check` of one server; the words OK and FAILED are coloured by what is passed (cli.md section 7).
 * @param program beginning of a command line of ours; with it each failure is followed by its cause and what mends it
 */
export function renderCheck(
  report: CheckReport,
  colours: Pick<Colours, 'ok' | 'failed'> = noColours,
  program?: readonly string[],
): Report {
  const problems = report.problems.map((problem) => `\t\t${problem}`);
  const lines = report.results.flatMap((result) => [
    lineOf(result, colours),
    ...(isConfiguration(result) ? problems : []),
    ...(program === undefined ? [] : remedyLines(result, program)),
  ]);
  const json: Record<string, Json> = { [report.name]: Object.fromEntries(report.results.map(entryOf)) };
  if (problems.length > 0 && report.results.some(isConfiguration)) json['_INFO'] = problems;
  return { lines: [headingOf(report), ...lines], json };
}

function lineOf({ name, isOk, hint }: CheckResult, colours: Pick<Colours, 'ok' | 'failed'>): string {
  return `\t${name}: ${isOk ? colours.ok('OK') : colours.failed('FAILED')}${hintText(hint)}`;
}

function remedyLines({ remedy }: CheckResult, program: readonly string[]): readonly string[] {
  return remedy === undefined ? [] : renderRemedy(remedy, program).map((line) => `\t    ${line}`);
}

function entryOf({ name, isOk, hint }: CheckResult): readonly [string, Json] {
  return [keyOf(name), { status: isOk ? 'OK' : 'FAILED', hint: hint ?? '' }];
}

/** `PostgreSQL streaming` is `postgresql_streaming`. */
function keyOf(name: string): string {
  return name.toLowerCase().replaceAll(/[ -]/g, '_').replaceAll('.', '');
}

function isConfiguration({ name, isOk }: CheckResult): boolean {
  return name === 'configuration' && !isOk;
}

/** ` (HINT)`, or nothing. */
export function hintText(hint: string | undefined): string {
  return hint === undefined || hint === '' ? '' : ` (${hint})`;
}
