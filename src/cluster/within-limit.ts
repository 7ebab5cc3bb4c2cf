import { OperatorError } from '../shared/operator-error.ts';
import { untilAborted } from '../shared/until-aborted.ts';

/**
 * Does work that ends when its time is up, whatever it then still waits for. What the work leaves under way ends with it, so that an address
 * that hangs keeps no process alive.
 * @throws OperatorError `connection-failed` when it is; `interrupted` when `outer` aborts
 */
export async function withinLimit<T>(
  limitMs: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer.throwIfAborted();
  const limit = new AbortController();
  const tooLate = new OperatorError('connection-failed', `no answer within ${String(limitMs / 1000)} s`);
  const timer = setTimeout(() => limit.abort(tooLate), limitMs);
  const stop = (): void => {
    limit.abort(outer.reason);
  };
  outer.addEventListener('abort', stop, { once: true });
  try {
    return await untilAborted(work(limit.signal), limit.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', stop);
    limit.abort(tooLate);
  }
}
