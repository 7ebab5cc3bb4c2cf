import type { Context } from '../shared/context.ts';
import { OperatorError } from '../shared/operator-error.ts';

/**
 * Runs `work` for so long at most; its signal aborts when the time is up or the command is told to stop. Work that does not listen is
 * left behind.
 * @param seconds 0 is no limit
 * @returns false when the time was up first
 * @throws OperatorError `interrupted` when the command was told to stop
 */
export async function runWithin(
  seconds: number,
  { clock, signal }: Pick<Context, 'clock' | 'signal'>,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<boolean> {
  const stop = new AbortController();
  const pause = new AbortController();
  const interrupted = whenAborted(signal, pause.signal);
  const timeIsUp =
    seconds === 0
      ? new Promise<never>(() => undefined)
      : clock.sleep(seconds * 1000, pause.signal).then(() => 'time is up' as const);
  const running = work(stop.signal).then(() => 'done' as const);
  // the loser of the race may still fail
  for (const loser of [timeIsUp, running]) loser.catch(() => undefined);
  try {
    const outcome = await Promise.race([running, timeIsUp, interrupted]);
    if (outcome === 'interrupted') throw new OperatorError('interrupted', 'stopped while the server was checked');
    return outcome === 'done';
  } finally {
    stop.abort();
    pause.abort();
  }
}

async function whenAborted(signal: AbortSignal, until: AbortSignal): Promise<'interrupted'> {
  if (signal.aborted) return 'interrupted';
  return await new Promise((resolve) =>
    signal.addEventListener('abort', () => resolve('interrupted'), { once: true, signal: until }),
  );
}
