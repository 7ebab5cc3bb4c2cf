import type { CheckResult } from '../check/check.ts';
import type { FilledStep, Remedy } from '../check/remedy.ts';
import type { CheckReport } from '../operations/reports/server-reports.ts';
import type { Json } from '../shared/format-json.ts';
import { hintText } from './render-check.ts';
import { renderStep, stepText } from './render-remedy.ts';
import type { Report } from './report.ts';

/** A failed check with its cause, and what only a head can do about it; the steps follow one by one. */
export function renderDoctorFailure(
  { name, hint }: CheckResult,
  { cause, steps }: Remedy,
  program: readonly string[],
): readonly string[] {
  const notes = steps.filter(({ kind }) => kind === 'note').flatMap((step) => renderStep(step, program));
  return ['', `${name}: FAILED${hintText(hint)}`, `  cause: ${cause}`, ...notes.map((line) => `  ${line}`)];
}

/** One step, before it is asked about. */
export function renderDoctorStep(step: FilledStep, program: readonly string[]): readonly string[] {
  return renderStep(step, program).map((line) => `  ${line}`);
}

/** The rest: the number of failed checks, and as JSON each of them with its remedy. */
export function renderDoctorSummary({ name, results }: CheckReport, program: readonly string[]): Report {
  const failed = results.filter(({ isOk }) => !isOk);
  const line =
    failed.length === 0
      ? `Server ${name}: all ${String(results.length)} checks pass`
      : `Server ${name}: ${String(failed.length)} of ${String(results.length)} checks fail: ${failed.map((result) => result.name).join(', ')}`;
  return { lines: ['', line], json: { [name]: { failed_checks: failed.map((result) => entryOf(result, program)) } } };
}

function entryOf({ name, hint, remedy }: CheckResult, program: readonly string[]): Json {
  return {
    check: name,
    hint: hint ?? '',
    remedy: remedy?.key ?? '',
    cause: remedy?.cause ?? '',
    steps: (remedy?.steps ?? []).map((step) => ({ kind: step.kind, text: stepText(step, program) })),
  };
}
