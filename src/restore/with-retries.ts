import type { Context } from '../shared/context.ts';
import { OperatorError } from '../shared/operator-error.ts';

interface RetryOptions {
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
}

/**
 * Does work again after a pause when files could not be read or written, or a program failed, as often as asked for (engine.md section 12.1, `--retry-times`).
 * @param work gets to know whether an attempt before it may have left something
 */
export async function withRetries<T>(
  { retryTimes, retrySleepSeconds }: RetryOptions,
  { clock, messages, signal }: Pick<Context, 'clock' | 'messages' | 'signal'>,
  work: (isRepeated: boolean) => Promise<T>,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt > 0);
    } catch (error) {
      const retriesLeft = retryTimes - attempt;
      const isWorthAnother =
        error instanceof OperatorError && ['file-unwritable', 'file-unreadable', 'command-failed'].includes(error.code);
      if (!isWorthAnother || retriesLeft <= 0 || signal.aborted) throw error;
      const pause = String(retrySleepSeconds);
      messages.warning(`${error.message}; ${String(retriesLeft)} attempts left, the next one in ${pause} s`);
      await clock.sleep(retrySleepSeconds * 1000, signal);
    }
  }
}
