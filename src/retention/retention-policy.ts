/** When a backup becomes obsolete (docs/reference/config-checks-hooks.md section 10.1). */
export type RetentionPolicy =
  | { readonly kind: 'redundancy'; readonly count: number }
  | { readonly kind: 'recovery-window'; readonly count: number; readonly unit: WindowUnit };

type WindowUnit = 'DAYS' | 'WEEKS' | 'MONTHS';

const daysOf: Readonly<Record<WindowUnit, number>> = { DAYS: 1, WEEKS: 7, MONTHS: 31 };

/** Reads `REDUNDANCY n` or `RECOVERY WINDOW OF n DAYS|WEEKS|MONTHS`, in any case, singular or plural; undefined for anything else. */
export function parseRetentionPolicy(text: string): RetentionPolicy | undefined {
  const redundancy = /^\s*redundancy\s+(\d+)\s*$/i.exec(text)?.[1];
  if (redundancy !== undefined) return possible({ kind: 'redundancy', count: Number(redundancy) });
  const [, count, word = ''] = /^\s*recovery\s+window\s+of\s+(\d+)\s+(day|week|month)s?\s*$/i.exec(text) ?? [];
  if (count === undefined) return undefined;
  return possible({ kind: 'recovery-window', count: Number(count), unit: unitOf(word) });
}

/** The text that Barman prints for a policy: `REDUNDANCY 3`, `RECOVERY WINDOW OF 1 DAYS` (always plural). */
export function formatRetentionPolicy(policy: RetentionPolicy): string {
  if (policy.kind === 'redundancy') return `REDUNDANCY ${String(policy.count)}`;
  return `RECOVERY WINDOW OF ${String(policy.count)} ${policy.unit}`;
}

/** Length of a recovery window in days; a month has 31. */
export function windowDays(policy: Extract<RetentionPolicy, { kind: 'recovery-window' }>): number {
  return policy.count * daysOf[policy.unit];
}

function possible(policy: RetentionPolicy): RetentionPolicy | undefined {
  return Number.isSafeInteger(policy.count) ? policy : undefined;
}

function unitOf(word: string): WindowUnit {
  const unit = word.toLowerCase();
  if (unit === 'day') return 'DAYS';
  return unit === 'week' ? 'WEEKS' : 'MONTHS';
}
