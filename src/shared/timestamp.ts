import { OperatorError } from './operator-error.ts';

/** An instant together with the offset of the wall clock that it was written down with. */
export interface Timestamp {
  /** Microseconds since 1970-01-01 UTC. */
  readonly epochMicros: bigint;
  /** Minutes east of UTC. */
  readonly offsetMinutes: number;
}

const weekdays = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const isoLike =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?(?::\d{2})?)?$/i;
const cTimeLike = /^[A-Za-z]{3} ([A-Za-z]{3}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/;

interface WallClock {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly micros: number;
}

/** The instant of `date`, with this host's offset at that moment. */
export function localTimestamp(date: Date): Timestamp {
  return { epochMicros: BigInt(date.getTime()) * 1000n, offsetMinutes: -date.getTimezoneOffset() };
}

/** The instant at `seconds` since the epoch (a file's mtime, for one), with this host's offset at that moment. */
export function timestampFromEpoch(seconds: number): Timestamp {
  return { ...localTimestamp(new Date(seconds * 1000)), epochMicros: BigInt(Math.round(seconds * 1e6)) };
}

/**
 * Reads ISO-like text (date, optional time, optional fraction, optional numeric offset, `Z` or `UTC`) and C time. Text without
 * an offset is local time of this host (docs/reference/catalog.md section 2.2).
 * @returns undefined when the text is no such date, or a date that does not exist
 */
export function parseTimestamp(text: string): (Timestamp & { readonly hasZone: boolean }) | undefined {
  const trimmed = text.trim();
  const iso = isoLike.exec(trimmed);
  if (iso !== null) {
    const [, year, month, day, hour, minute, second, fraction, zone] = iso;
    const wall = {
      year: Number(year),
      month: Number(month),
      day: Number(day),
      hour: Number(hour ?? 0),
      minute: Number(minute ?? 0),
      second: Number(second ?? 0),
      micros: Number((fraction ?? '').padEnd(6, '0').slice(0, 6)),
    };
    return fromWallClock(wall, zone === undefined ? undefined : parseOffset(zone));
  }
  const cTime = cTimeLike.exec(trimmed);
  if (cTime === null) return undefined;
  const [, monthName = '', day, hour, minute, second, year] = cTime;
  const month = months.findIndex((name) => name === monthName) + 1;
  return fromWallClock(
    {
      year: Number(year),
      month,
      day: Number(day),
      hour: Number(hour),
      minute: Number(minute),
      second: Number(second),
      micros: 0,
    },
    undefined,
  );
}

/** `2026-01-22 22:25:33.383242+00:00`; the fraction is left out when zero (docs/reference/catalog.md section 2.2). */
export function formatLongTime(timestamp: Timestamp): string {
  return `${isoDate(timestamp)} ${isoTime(timestamp)}${formatOffset(timestamp.offsetMinutes)}`;
}

/** `2026-01-22T22:25:33.383242+00:00`. */
export function formatIsoTime(timestamp: Timestamp): string {
  return `${isoDate(timestamp)}T${isoTime(timestamp)}${formatOffset(timestamp.offsetMinutes)}`;
}

/** `Sun Nov 22 22:23:40 2026`: the wall clock as it was written down, day padded with a blank (docs/reference/cli.md section 4). */
export function formatCTime(timestamp: Timestamp): string {
  const wall = wallDate(timestamp);
  const weekday = weekdays[wall.getUTCDay()] ?? '';
  const month = months[wall.getUTCMonth()] ?? '';
  const day = String(wall.getUTCDate()).padStart(2, ' ');
  return `${weekday} ${month} ${day} ${clockText(wall)} ${String(wall.getUTCFullYear()).padStart(4, '0')}`;
}

/** Whole seconds since the epoch. */
export function epochSeconds(timestamp: Timestamp): number {
  return Number(timestamp.epochMicros / 1_000_000n);
}

/** `20260122T222533`: the form of backup ids and of stamps in names; wall clock of the timestamp. */
export function formatCompactTime(timestamp: Timestamp): string {
  const wall = wallDate(timestamp);
  return `${isoDate(timestamp).replaceAll('-', '')}T${clockText(wall).replaceAll(':', '')}`;
}

/** The same instant written with another offset. */
export function withOffset(timestamp: Timestamp, offsetMinutes: number): Timestamp {
  return { epochMicros: timestamp.epochMicros, offsetMinutes };
}

function fromWallClock(
  wall: WallClock,
  offsetMinutes: number | undefined,
): (Timestamp & { readonly hasZone: boolean }) | undefined {
  const asUtc = new Date(Date.UTC(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second));
  const exists = asUtc.getUTCMonth() === wall.month - 1 && asUtc.getUTCDate() === wall.day && asUtc.getUTCHours() === wall.hour;
  if (!exists || Number.isNaN(asUtc.getTime())) return undefined;
  const offset =
    offsetMinutes ?? -new Date(wall.year, wall.month - 1, wall.day, wall.hour, wall.minute, wall.second).getTimezoneOffset();
  const epochMicros = BigInt(asUtc.getTime() - offset * 60_000) * 1000n + BigInt(wall.micros);
  return { epochMicros, offsetMinutes: offset, hasZone: offsetMinutes !== undefined };
}

function parseOffset(zone: string): number {
  const numeric = /^([+-])(\d{2}):?(\d{2})?/.exec(zone);
  if (numeric === null) return 0;
  const [, sign, hours, minutes] = numeric;
  const total = Number(hours) * 60 + Number(minutes ?? 0);
  if (total > 16 * 60) throw new OperatorError('usage', `no time zone has an offset of ${zone}`);
  return sign === '-' ? -total : total;
}

function wallDate(timestamp: Timestamp): Date {
  const wallMicros = timestamp.epochMicros + BigInt(timestamp.offsetMinutes) * 60_000_000n;
  return new Date(Number((wallMicros - positiveModulo(wallMicros, 1000n)) / 1000n));
}

function isoDate(timestamp: Timestamp): string {
  const wall = wallDate(timestamp);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${String(wall.getUTCFullYear()).padStart(4, '0')}-${two(wall.getUTCMonth() + 1)}-${two(wall.getUTCDate())}`;
}

function isoTime(timestamp: Timestamp): string {
  const micros = positiveModulo(timestamp.epochMicros, 1_000_000n);
  const fraction = micros === 0n ? '' : `.${String(micros).padStart(6, '0')}`;
  return `${clockText(wallDate(timestamp))}${fraction}`;
}

function clockText(wall: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  return `${two(wall.getUTCHours())}:${two(wall.getUTCMinutes())}:${two(wall.getUTCSeconds())}`;
}

function formatOffset(offsetMinutes: number): string {
  const sign = offsetMinutes < 0 ? '-' : '+';
  const total = Math.abs(offsetMinutes);
  return `${sign}${String(Math.trunc(total / 60)).padStart(2, '0')}:${String(total % 60).padStart(2, '0')}`;
}

function positiveModulo(value: bigint, divisor: bigint): bigint {
  return ((value % divisor) + divisor) % divisor;
}
