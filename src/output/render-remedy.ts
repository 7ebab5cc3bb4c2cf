import type { Remedy, RemedyStep } from '../check/remedy.ts';
import { quoteWords } from '../shared/shell-words.ts';

/** Where a step is done, before what is typed or written there. */
const places: Readonly<Record<RemedyStep['kind'], string>> = {
  pgcellar: 'run',
  shell: 'run',
  root: 'run as root',
  host: 'run on the PostgreSQL host',
  sql: 'SQL, as a superuser',
  hba: 'at the top of pg_hba.conf',
  setting: 'in the section of the server',
  note: 'note',
};

/** The cause of a failure and what mends it, a line for each. */
export function renderRemedy({ cause, steps }: Remedy, program: readonly string[]): readonly string[] {
  return [`cause: ${cause}`, ...steps.flatMap((step) => renderStep(step, program))];
}

/** One step: `run: pgcellar cron`; a line for each of its own lines. */
export function renderStep(step: RemedyStep, program: readonly string[]): readonly string[] {
  return stepText(step, program)
    .split('\n')
    .map((line) => `${places[step.kind]}: ${line}`);
}

/** The step as it is typed or written; a command of ours begins with `program`. */
export function stepText(step: RemedyStep, program: readonly string[]): string {
  if (!('words' in step)) return step.text;
  return quoteWords(step.kind === 'pgcellar' ? [...program, ...step.words] : step.words);
}
