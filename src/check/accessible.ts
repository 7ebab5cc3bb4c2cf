import type { Attempt } from './check.ts';

/** The result of an attempt; undefined when it failed or was not made. */
export function accessible<T>(attempt: Attempt<T> | undefined): T | undefined {
  return attempt?.kind === 'ok' ? attempt.value : undefined;
}
