import { OperatorError } from './operator-error.ts';

/** For work that looks by itself whether it is to go on. @throws OperatorError `interrupted` when the signal has aborted */
export function throwIfInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new OperatorError('interrupted', 'interrupted by a signal');
}
