import { OperatorError } from './operator-error.ts';

/**
 * Waits for work that cannot be told to stop, until it ends or the signal aborts; then nobody waits for it any longer.
 * @throws OperatorError the signal's reason when that is one, else `interrupted`
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let listener: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    listener = () => {
      reject(
        signal.reason instanceof OperatorError ? signal.reason : new OperatorError('interrupted', 'interrupted by a signal'),
      );
    };
    if (signal.aborted) listener();
    signal.addEventListener('abort', listener, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', listener);
    work.catch(() => undefined); // an answer after the abort is of no interest
  }
}
