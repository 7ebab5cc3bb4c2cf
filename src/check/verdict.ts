import type { Verdict } from './check.ts';

/** A line that says OK. */
export function passed(hint?: string, perfdata?: number): Verdict {
  return { isOk: true, hint, perfdata };
}

/** A line that says FAILED. */
export function failed(hint?: string, perfdata?: number): Verdict {
  return { isOk: false, hint, perfdata };
}
