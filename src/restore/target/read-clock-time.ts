/** A time as it is written down: the fields of a wall clock, and the text that says in which zone it hangs. */
export interface ClockTime {
  /** The wall clock as if it were UTC, microseconds since 1970-01-01. */
  readonly wallMicros: bigint;
  readonly zone: ClockZone;
}

type ClockZone =
  | { readonly kind: 'none' }
  /** Minutes east of UTC. */
  | { readonly kind: 'offset'; readonly minutes: number }
  /** The name or abbreviation of a zone, as it was written. */
  | { readonly kind: 'word'; readonly word: string };

type Fields = Readonly<Record<string, string | undefined>>;

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const fullMonths = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
];
const weekdays = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const fullWeekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'];

const clock = String.raw`(?<hour>\d{1,2}):(?<minute>\d{1,2})(?::(?<second>\d{1,2})(?:\.(?<fraction>\d{1,9}))?)?(?: ?(?<half>[AP]M))?`;
const compactClock = String.raw`(?<hour>\d{2})(?<minute>\d{2})(?:(?<second>\d{2})(?:\.(?<fraction>\d{1,9}))?)?`;
/** A blank parts an offset from AM or PM: without it PostgreSQL reads both as one name of a zone. */
const gap = String.raw`(?: |(?<!M))`;
const zone = String.raw`(?:${gap}(?<offset>[+-]\d{1,2}(?::?\d{2})?)|${gap}(?<utc>Z)| (?<word>[A-Z][A-Z0-9_+-]*(?:/[A-Z0-9_+-]+)*))?`;
const weekday = String.raw`(?:(?<weekday>[A-Z]+),? )?`;

/** The ways to write a time whose order of day, month and year cannot be mistaken. */
const shapes = [
  // 2026-01-31 08:59:00+01, 2026/1/31 8:59 PM; ISO 8601, and the log and the clients of PostgreSQL
  String.raw`(?<year>\d{4})(?<line>[-/])(?<month>\d{1,2})\k<line>(?<day>\d{1,2})(?:(?:T| )${clock}${zone})?`,
  // 20260131T085900Z
  String.raw`(?<year>\d{4})(?<month>\d{2})(?<day>\d{2})(?:T| )(?:${compactClock})${zone}`,
  // Sat Jan 31 08:59:00 CET 2026: date(1), and C time without the zone
  String.raw`${weekday}(?<monthName>[A-Z]+) (?<day>\d{1,2}) ${clock}(?: (?<offset>[+-]\d{2}(?::?\d{2})?)| (?<word>[A-Z]+))? (?<year>\d{4})`,
  // Sat Jan 31 08:59:00.25 2026 CET: PostgreSQL's own DateStyle of old
  String.raw`${weekday}(?<monthName>[A-Z]+) (?<day>\d{1,2}) ${clock} (?<year>\d{4})${zone}`,
  // Sat, 31 Jan 2026 08:59:00 +0100: date -R, mail
  String.raw`${weekday}(?<day>\d{1,2})(?<line>[ -])(?<monthName>[A-Z]+)\k<line>(?<year>\d{4}) ${clock}${zone}`,
  // Sat 31 Jan 08:59:00 CET 2026: date(1) in Britain
  String.raw`${weekday}(?<day>\d{1,2}) (?<monthName>[A-Z]+) ${clock}(?: (?<word>[A-Z]+))? (?<year>\d{4})`,
  // Jan 31, 2026 8:59 PM
  String.raw`${weekday}(?<monthName>[A-Z]+) (?<day>\d{1,2}),? (?<year>\d{4}) ${clock}${zone}`,
].map((shape) => new RegExp(`^${shape}$`, 'i'));

/**
 * Reads a time in the forms that programs print and people type. A form that can be read in two ways (`01/02/2026`, `26-01-31`) is none of them.
 * @returns undefined when the text has no such form, or names a day or time that does not exist
 */
export function readClockTime(text: string): ClockTime | undefined {
  const spaced = text.trim().replace(/[ \t]+/g, ' ');
  for (const shape of shapes) {
    const fields = shape.exec(spaced)?.groups;
    const read = fields === undefined ? undefined : readFields(fields);
    if (read !== undefined) return read;
  }
  return undefined;
}

function readFields(fields: Fields): ClockTime | undefined {
  const year = Number(fields['year']);
  const month = monthOf(fields);
  const day = Number(fields['day']);
  const hour = hourOf(fields);
  const zoned = zoneOf(fields);
  if (month === undefined || hour === undefined || zoned === undefined) return undefined;
  const minute = Number(fields['minute'] ?? 0);
  const second = Number(fields['second'] ?? 0);
  const wall = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const exists =
    year >= 1000 && wall.getUTCMonth() === month - 1 && wall.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!exists || !isWeekdayOf(fields['weekday'], wall)) return undefined;
  return { wallMicros: BigInt(wall.getTime()) * 1000n + fractionMicros(fields['fraction']), zone: zoned };
}

function monthOf({ month, monthName }: Fields): number | undefined {
  if (month !== undefined) return Number(month);
  const name = monthName?.toLowerCase() ?? '';
  const index = Math.max(months.indexOf(name), fullMonths.indexOf(name));
  return index === -1 ? undefined : index + 1;
}

/** With AM or PM the hours go from 12 over 1 to 11. */
function hourOf({ hour = '0', half }: Fields): number | undefined {
  const read = Number(hour);
  if (half === undefined) return read;
  if (read < 1 || read > 12) return undefined;
  return (read % 12) + (half.toUpperCase() === 'PM' ? 12 : 0);
}

function zoneOf({ offset, utc, word }: Fields): ClockZone | undefined {
  if (utc !== undefined) return { kind: 'offset', minutes: 0 };
  if (word !== undefined) return { kind: 'word', word };
  if (offset === undefined) return { kind: 'none' };
  const [, sign, hours, minutes = '0'] = /^([+-])(\d{1,2}):?(\d{2})?$/.exec(offset) ?? [];
  const total = Number(hours) * 60 + Number(minutes);
  // PostgreSQL takes no offset of sixteen hours or more
  if (Number(hours) > 15 || Number(minutes) > 59) return undefined;
  return { kind: 'offset', minutes: sign === '-' ? -total : total };
}

/** A day of the week that does not belong to the date is a slip of somebody's pen. */
function isWeekdayOf(name: string | undefined, wall: Date): boolean {
  if (name === undefined) return true;
  const lower = name.toLowerCase();
  const day = Math.max(weekdays.indexOf(lower), fullWeekdays.indexOf(lower));
  return day === wall.getUTCDay();
}

/** Rounded to the nearest microsecond, halves to the even one, as PostgreSQL does. */
function fractionMicros(fraction: string | undefined): bigint {
  if (fraction === undefined) return 0n;
  const micros = Number(`0.${fraction}`) * 1e6;
  const floor = Math.floor(micros);
  const rest = micros - floor;
  const isUp = rest > 0.5 || (rest === 0.5 && floor % 2 === 1);
  return BigInt(isUp ? floor + 1 : floor);
}
