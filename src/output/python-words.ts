import type { ServerFact } from '../operations/reports/server-reports.ts';
import type { Json } from '../shared/format-json.ts';
import { formatPythonFloat, formatPythonLiteral, PythonFloat } from '../shared/python-literal.ts';
import { formatLongTime, type Timestamp } from '../shared/timestamp.ts';
import { formatInterval } from '../shared/units.ts';
import { formatLsn } from '../wal/lsn.ts';

/** A value as `show-servers` prints it in Python's words, and as JSON has it. */
export interface ShownValue {
  readonly text: string;
  readonly json: unknown;
  /** As `diagnose` has it, where that is something else. */
  readonly diagnosed?: Json;
}

/** A fact about a server as Barman's listings show it (docs/reference/cli.md section 6.4). */
export function shownFact(fact: ServerFact): ShownValue {
  switch (fact.kind) {
    case 'plain':
      return shown(fact.value);
    case 'float':
      return shown(new PythonFloat(fact.value));
    case 'decimal':
      return shownDecimal(fact.value);
    case 'time':
      return shownTime(fact.time);
    case 'words':
      return shownSet(fact.option === 'backup_options' ? 'BackupOptions' : 'RecoveryOptions', fact.words);
    case 'span':
      return shownSpan(fact.seconds);
    case 'backup-age':
      return shown(backupAgeText(fact.mostSeconds, fact.seconds));
    case 'slot': {
      const lsn = fact.restartLsn === undefined ? 'None' : `'${formatLsn(fact.restartLsn)}'`;
      const text = `Record(slot_name='${fact.name}', active=${shown(fact.isActive).text}, restart_lsn=${lsn})`;
      return { text, json: text };
    }
  }
}

function backupAgeText(most: number | undefined, age: number | undefined): string {
  if (most === undefined) return 'None'; // a text to Barman
  const limit = formatInterval(most);
  if (age === undefined) return `${limit} (WARNING! latest backup is No available backups old)`;
  return age > most
    ? `${limit} (WARNING! latest backup is ${formatInterval(age)} old)`
    : `${limit} (latest backup: ${formatInterval(age)} )`;
}

/** A value as Python's `str` shows it inside Barman's listings, with its JSON form beside it. */
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
function shownDecimal(value: number | string | undefined): ShownValue {
  return value === undefined ? shown(value) : { ...shown(String(value)), diagnosed: Number(value) };
}

/** A moment, which `diagnose` writes in the form of ISO 8601. */
function shownTime(time: Timestamp | undefined): ShownValue {
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

/** A value as Python prints it; `None` when there is none. */
export function wordOf(value: string | number | null | undefined): string {
  return value === null || value === undefined ? 'None' : String(value);
}
