import { setTimeout as delay } from 'node:timers/promises';

interface WaitOptions {
  /** After this the wait fails; generous by default, because a busy machine is no failure. */
  readonly timeoutMs?: number;
  readonly everyMs?: number;
  /** Asked when the wait fails: what to show beside the title, e.g. the end of a log. */
  readonly explain?: () => string | Promise<string>;
}

/**
 * Asks until the answer is neither undefined nor false, and gives it. `title` says what is waited for and is what a failure
 * reads. An error of `ask` ends the wait immediately: a condition that may throw for a while catches for itself.
 */
export async function waitFor<T>(
  title: string,
  ask: () => T | false | undefined | Promise<T | false | undefined>,
  { timeoutMs = 60_000, everyMs = 50, explain }: WaitOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) {
      const explanation = explain === undefined ? '' : `\n${await explain()}`;
      throw new Error(`waited ${String(timeoutMs / 1000)} s in vain: ${title}${explanation}`);
    }
    await delay(everyMs);
  }
}
