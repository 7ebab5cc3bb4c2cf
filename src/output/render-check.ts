import type { CheckResult } from '../check/check.ts';
import type { CheckReport } from '../operations/reports/server-reports.ts';
import type { Json } from '../shared/format-json.ts';
import { spoken, type Voice } from '../shared/voice.ts';
import { type Colours, noColours } from './colours.ts';
import { renderRemedy } from './render-remedy.ts';
import type { Report } from './report.ts';
import { headingOf } from './server-heading.ts';

interface CheckStyle {
  readonly voice: Voice;
  readonly colours?: Pick<Colours, 'ok' | 'failed'>;
  /** Beginning of a command line of ours; with it each failure is followed by its cause and what mends it. */
  readonly program?: readonly string[] | undefined;
}

/**
 * `check` of one server; the words OK and FAILED are coloured by what is passed (docs/reference/cli.md section 7).
 */
export function renderCheck(report: CheckReport, { voice, colours = noColours, program }: CheckStyle): Report {
  const problems = report.problems.map((problem) => `\t\t${problem}`);
  const lines = report.results.flatMap((result) => [
    lineOf(result, voice, colours),
    ...(isConfiguration(result) ? problems : []),
    ...(program === undefined ? [] : remedyLines(result, program)),
  ]);
  const json: Record<string, Json> = {
    [report.name]: Object.fromEntries(report.results.map((result) => entryOf(result, voice))),
  };
  if (problems.length > 0 && report.results.some(isConfiguration)) json['_INFO'] = problems;
  return { lines: [headingOf(report), ...lines], json };
}

function lineOf(result: CheckResult, voice: Voice, colours: Pick<Colours, 'ok' | 'failed'>): string {
  const verdict = result.isOk ? colours.ok('OK') : colours.failed('FAILED');
  return `\t${result.name}: ${verdict}${hintText(hintOf(result, voice))}`;
}

function remedyLines({ remedy }: CheckResult, program: readonly string[]): readonly string[] {
  return remedy === undefined ? [] : renderRemedy(remedy, program).map((line) => `\t    ${line}`);
}

function entryOf(result: CheckResult, voice: Voice): readonly [string, Json] {
  return [keyOf(result.name), { status: result.isOk ? 'OK' : 'FAILED', hint: hintOf(result, voice) ?? '' }];
}

/** `PostgreSQL streaming` is `postgresql_streaming`. */
function keyOf(name: string): string {
  return name.toLowerCase().replaceAll(/[ -]/g, '_').replaceAll('.', '');
}

function isConfiguration({ name, isOk }: CheckResult): boolean {
  return name === 'configuration' && !isOk;
}

/** The hint in a voice. */
export function hintOf({ hint = '', asBarman }: CheckResult, voice: Voice): string | undefined {
  return spoken(hint, { asBarman }, voice);
}

/** ` (HINT)`, or nothing. */
export function hintText(hint: string | undefined): string {
  return hint === undefined || hint === '' ? '' : ` (${hint})`;
}
