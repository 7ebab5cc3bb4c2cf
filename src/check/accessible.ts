import type { Attempt } from './check.ts';

/** What an attempt gave; undefined when it failed or was not made. */
export function accessible<T>(attempt: Attempt<T> | undefined): T | undefined {
  return attempt?.kind === 'ok' ? attempt.value : undefined;
}
