import { formatInterval } from '../shared/units.ts';
import type { Verdict } from './check.ts';
import type { NamedRemedy } from './remedies.ts';
import { failed, passed } from './verdict.ts';

interface Age {
  /** Seconds since the epoch. */
  readonly since: number;
  /** Seconds. */
  readonly most: number;
  readonly now: Date;
  /** The name of the thing that is that old. */
  readonly what: string;
  readonly remedy: NamedRemedy;
}

/** Young enough, and how old it is. */
export function judgeAge({ since, most, now, what, remedy }: Age): Verdict {
  const age = now.getTime() / 1000 - since;
  const hint = `interval provided: ${formatInterval(most)}, ${what}: ${formatInterval(age)}`;
  return age <= most ? passed(hint) : failed(hint, remedy);
}
