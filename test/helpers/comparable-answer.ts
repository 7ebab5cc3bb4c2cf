// Answers of the real Barman and of ours are compared to the letter, but for what another moment changes in them.
import type { ProgramResult } from './run-program.ts';

/** An answer of either program without what moves from one moment to the next: rates, ages, times; keys of JSON are sorted. */
export function comparableAnswer(result: ProgramResult): ProgramResult {
  const stdout = result.stdout
    .replaceAll(/(current_archived_wals_per_second"?: "?)\d\.\d{5,}/g, '$1RATE')
    .replaceAll(/\d+\.\d\d\/hour/g, 'RATE/hour')
    .replaceAll(/age: [^)"]* seconds/g, 'age: AGE')
    .replaceAll(/elapsed time: [^)]*/g, 'elapsed time: TIME')
    .replaceAll(/start time: [^,]*/g, 'start time: TIME');
  return { ...result, stdout: stdout.startsWith('{') ? sortedJson(stdout) : stdout };
}

/** Barman's keys come in the order in which it thought of them. */
function sortedJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), (_, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    );
  } catch {
    return text; // a line of Nagios behind two braces
  }
}
