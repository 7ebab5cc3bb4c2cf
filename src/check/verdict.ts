import type { Verdict } from './check.ts';
import type { NamedRemedy } from './remedies.ts';

/** A line that says OK. */
export function passed(hint?: string, perfdata?: number): Verdict {
  return { isOk: true, hint, perfdata };
}

/** A line that says FAILED, and what mends it. */
export function failed(hint: string | undefined, remedy: NamedRemedy, perfdata?: number): Verdict {
  return { isOk: false, hint, perfdata, remedy };
}
