import { formatPythonFloat, formatPythonLiteral, PythonFloat } from '../../shared/python-literal.ts';
import { formatLongTime, type Timestamp } from '../../shared/timestamp.ts';
import type { ShownValue } from '../reports/server-reports.ts';

/** A value as Python's `str` shows it inside Barman's listings, with its JSON form beside it (docs/reference/cli.md section 6.4). */
export function shown(value: unknown): ShownValue {
  if (value === undefined || value === null) return { text: 'None', json: null };
  if (typeof value === 'boolean') return { text: value ? 'True' : 'False', json: value };
  if (value instanceof PythonFloat) return { text: formatPythonFloat(value.value), json: value.value };
  if (typeof value === 'number') return { text: String(value), json: value };
  if (typeof value === 'string') return { text: value, json: value };
  if (Array.isArray(value)) return { text: `[${value.map(quoted).join(', ')}]`, json: value };
  return {
    text: `{${Object.entries(value)
      .map(([key, item]) => `${quoted(key)}: ${quoted(item)}`)
      .join(', ')}}`,
    json: value,
  };
}

/** A number that PostgreSQL sums up, which is a decimal to Barman: JSON has its text, `diagnose` the number. */
export function shownDecimal(value: number | string | undefined): ShownValue {
  return value === undefined ? shown(value) : { ...shown(String(value)), diagnosed: Number(value) };
}

/** A moment, which `diagnose` writes in the form of ISO 8601. */
export function shownTime(time: Timestamp | undefined): ShownValue {
  return time === undefined
    ? shown(time)
    : { ...shown(formatLongTime(time)), diagnosed: formatLongTime(time).replace(' ', 'T') };
}

/** A set of words as Barman's classes show themselves: `BackupOptions({'concurrent_backup'})`. */
export function shownSet(className: string, words: readonly string[]): ShownValue {
  const inner = words.length === 0 ? '' : `{${words.map(quoted).join(', ')}}`;
  const text = `${className}(${inner})`;
  return { text, json: text };
}

/** Seconds as Python shows a time span: `7 days, 0:00:00`, `2:00:00`. */
export function shownSpan(seconds: number): ShownValue {
  const days = Math.floor(seconds / 86_400);
  const clock = `${String(Math.floor((seconds % 86_400) / 3_600))}:${two(Math.floor((seconds % 3_600) / 60))}:${two(seconds % 60)}`;
  const text = days === 0 ? clock : `${String(days)} day${days === 1 ? '' : 's'}, ${clock}`;
  return { text, json: text };
}

function quoted(value: unknown): string {
  return typeof value === 'string' ? formatPythonLiteral(value) : shown(value).text;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
