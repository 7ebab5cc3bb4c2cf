import type { RecoveryTarget } from '../target/recovery-target.ts';

/** The recovery in the log of a server. */
export interface RecoveryLog {
  /** It stopped at the target that it was given, or at the end of the WAL when it was given none. */
  readonly hasReachedTarget: boolean;
  /** The lines that an operator would look for, in the order of the log. */
  readonly lines: readonly string[];
}

const telling =
  /\b(?:FATAL|PANIC|ERROR|WARNING|HINT|DETAIL)\b|recovery stopping|recovery has paused|redo (?:starts|done)|consistent recovery state|last completed transaction|archive recovery complete|recovery ended|selected new timeline|starting (?:point-in-time|archive) recovery|invalid (?:record|magic)|could not|shutdown at recovery target|pausing at the end of recovery/i;
/** These lines come while the recovery of any server goes on. */
const harmless =
  /could not receive|the database system is (?:starting up|not yet accepting)|not yet accepting connections|Consistent recovery state has not been yet reached/i;
/** These, too, unless the server ended with them: what a restore_command says of a file that is not in the archive. */
const missingFile = /could not open directory|cannot (?:stat|open)|No such file/i;
const mostLines = 20;

/** Reads the log of a restored server. */
export function readRecoveryLog(text: string, target: RecoveryTarget): RecoveryLog {
  const all = text.split('\n').filter((line) => line.trim() !== '');
  const lines = all.filter((line) => telling.test(line) && !isHarmless(line)).slice(-mostLines);
  const hasStopped = all.some((line) => /recovery stopping (?:before|after|at)/.test(line));
  const hasEnded = all.some((line) => /archive recovery complete|redo done at|redo is not required/.test(line));
  const hasFailed = all.some((line) => /recovery ended before configured recovery target was reached/.test(line));
  return { hasReachedTarget: !hasFailed && (target.kind === 'none' ? hasEnded : hasStopped), lines };
}

function isHarmless(line: string): boolean {
  return harmless.test(line) || (missingFile.test(line) && !/\b(?:FATAL|PANIC)\b/.test(line));
}
