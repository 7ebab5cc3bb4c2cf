import { OperatorError } from '../../shared/operator-error.ts';
import { quoteWords } from '../../shared/shell-words.ts';

/** How a program ended: success and failure have one shape. Exactly one of `exitCode` and `signal` is set. */
export interface ProgramResult {
  /** As it was asked for; never with a secret, which travels in the environment or on standard input. */
  readonly argv: readonly string[];
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** Empty when the caller took the stream. */
  readonly stdout: string;
  /** The last 64 KiB. */
  readonly stderr: string;
}

/** The failure of a program as one line and a hint. */
export function failureOf(result: ProgramResult, what: string): OperatorError {
  const reason = result.signal === undefined ? `exit code ${String(result.exitCode)}` : `signal ${result.signal}`;
  const said = lastLines(result.stderr, 3);
  const words = said === '' ? '' : `: ${said}`;
  return new OperatorError('command-failed', `${what} failed (${reason})${words}`, {
    hint: `the command was: ${quoteWords(result.argv)}`,
  });
}

/** The last lines of what a program said, in one. */
export function lastLines(text: string, count: number): string {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.slice(-count).join(' | ');
}
