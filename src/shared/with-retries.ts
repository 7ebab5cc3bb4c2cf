import type { Context } from './context.ts';
import { OperatorError } from './operator-error.ts';

interface RetryOptions {
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
}

type RetryContext = Pick<Context, 'clock' | 'messages' | 'signal'>;

/**
 * Does work again after a pause when it failed, as often as asked for (docs/reference/engine.md section 12.1, `--retry-times`).
 * @param work gets to know whether an attempt before it may have left something
 * @param isWorthAnother which failures may not come again; by default, files that could not be read or written, and programs that failed
 * @throws OperatorError `interrupted` when the signal aborts during a pause; what the last attempt threw
 */
export async function withRetries<T>(
  { retryTimes, retrySleepSeconds }: RetryOptions,
  context: RetryContext,
  work: (isRepeated: boolean) => Promise<T>,
  isWorthAnother: (error: OperatorError) => boolean = isOfFilesOrPrograms,
): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work(attempt > 0);
    } catch (error) {
      const retriesLeft = retryTimes - attempt;
      const mayRepeat = error instanceof OperatorError && isWorthAnother(error) && retriesLeft > 0 && !context.signal.aborted;
      if (!mayRepeat) throw error;
      const pause = String(retrySleepSeconds);
      context.messages.warning(`${error.message}; ${String(retriesLeft)} attempts left, the next one in ${pause} s`);
      await sleep(retrySleepSeconds, context);
    }
  }
}

function isOfFilesOrPrograms({ code }: OperatorError): boolean {
  return ['file-unwritable', 'file-unreadable', 'command-failed'].includes(code);
}

async function sleep(seconds: number, { clock, signal }: RetryContext): Promise<void> {
  try {
    await clock.sleep(seconds * 1000, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new OperatorError('interrupted', 'interrupted by a signal', { cause: error });
  }
}
