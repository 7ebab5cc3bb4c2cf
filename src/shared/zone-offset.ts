/** Names of the time zone database without a slash. The runtime knows more, some of them with a meaning of its own: `BST` is Dhaka for it. */
const plainNames = new Set(
  [
    'CET CST6CDT Cuba EET EST EST5EDT Egypt Eire GB GB-Eire GMT GMT+0 GMT-0 GMT0 Greenwich HST Hongkong Iceland Iran Israel Jamaica Japan',
    'Kwajalein Libya MET MST MST7MDT NZ NZ-CHAT Navajo PRC PST8PDT Poland Portugal ROC ROK Singapore Turkey UCT UTC Universal W-SU WET Zulu',
  ].flatMap((names) => names.toLowerCase().split(' ')),
);

/** Whether `name` is one of the time zone database (`Europe/Berlin`, `UTC`, `EST5EDT`), in any case, and the runtime knows it. */
export function isZoneName(name: string): boolean {
  return (plainNames.has(name.toLowerCase()) && isKnown(name)) || isAreaCity(name);
}

/** Whether `name` is a zone of the time zone database that is named by area and place. */
export function isAreaCity(name: string): boolean {
  return /^[A-Za-z]+\/[A-Za-z]/.test(name) && !/^SystemV\//i.test(name) && isKnown(name);
}

function isKnown(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false; // RangeError is the only way to ask
  }
}

/** The offset from UTC of a zone whose wall clock shows a time. */
export interface ZoneOffset {
  readonly minutes: number;
  /** The clock showed that time twice, or never, because it was set back or forth; the other offset that it could have meant. */
  readonly otherMinutes: number | undefined;
}

const dayMs = 86_400_000;

/**
 * The offset of a wall clock time in a zone. A time that was skipped is read with the offset before the change, one that came twice with
 * the offset after it, as PostgreSQL reads them.
 * @param wallMs the wall clock as if it were UTC, milliseconds since the epoch
 */
export function zoneOffset(zone: string, wallMs: number): ZoneOffset {
  const before = offsetAt(zone, wallMs - dayMs);
  const after = offsetAt(zone, wallMs + dayMs);
  if (before === after) return { minutes: after, otherMinutes: undefined };
  const isBefore = offsetAt(zone, wallMs - before * 60_000) === before;
  const isAfter = offsetAt(zone, wallMs - after * 60_000) === after;
  if (isBefore && isAfter) return { minutes: after, otherMinutes: before };
  if (!isBefore && !isAfter) return { minutes: before, otherMinutes: after };
  return { minutes: isAfter ? after : before, otherMinutes: undefined };
}

/** Minutes east of UTC at an instant. */
function offsetAt(zone: string, instantMs: number): number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const parts = new Map(format.formatToParts(new Date(instantMs)).map(({ type, value }) => [type, Number(value)]));
  const part = (type: Intl.DateTimeFormatPartTypes): number => parts.get(type) ?? 0;
  const wall = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  return Math.round((wall - Math.floor(instantMs / 1000) * 1000) / 60_000);
}
