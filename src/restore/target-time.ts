import { OperatorError } from '../shared/operator-error.ts';
import { formatLongTime, parseTimestamp, type Timestamp } from '../shared/timestamp.ts';
import { isZoneName, zoneOffset } from '../shared/zone-offset.ts';

/** The zone that a time without one is read in, and where that was found. */
export interface AssumedZone {
  readonly name: string;
  /** `postgresql.conf of backup 20260101T000000`. */
  readonly origin: string;
}

interface TargetTime {
  readonly time: Timestamp;
  readonly warnings: readonly string[];
}

/** `2026-01-31 08:59:00 Europe/Berlin`: a name, not one of the words that {@link parseTimestamp} reads itself. */
const zonedShape = /^(.*\d)\s+([A-Za-z_]+(?:\/[A-Za-z0-9_+-]+)*)$/;
const plainWords = new Set(['UTC', 'GMT', 'Z']);

/**
 * Reads a recovery target time: with an offset, with the name of a zone, or without either, then in the zone of the PostgreSQL server that was backed up
 * (which is what PostgreSQL itself does with such a time), or in that of this host when nobody knows it.
 * @throws OperatorError `target-invalid`
 */
export function parseTargetTime(text: string, assumed: AssumedZone | undefined): TargetTime {
  const [, wallText, zone] = zonedShape.exec(text.trim()) ?? [];
  if (wallText !== undefined && zone !== undefined && !plainWords.has(zone.toUpperCase())) {
    if (!isZoneName(zone)) {
      throw new OperatorError('target-invalid', `no time zone is named '${zone}'`, {
        hint: "write the offset (+01:00), or a name such as 'Europe/Berlin'",
      });
    }
    return inZone(readTime(wallText, text), zone);
  }
  const time = readTime(text, text);
  if (time.hasZone) return { time: plain(time), warnings: [] };
  const start = "No time zone has been specified through '--target-time':";
  if (assumed === undefined) {
    return {
      time: plain(time),
      warnings: [`${start} the time zone of this host (${formatLongTime(time).slice(-6)}) is assumed`],
    };
  }
  const { time: read, warnings } = inZone(time, assumed.name);
  const words = `${assumed.name} is assumed, the zone of the PostgreSQL server (timezone in ${assumed.origin})`;
  return { time: read, warnings: [`${start} ${words}: ${formatLongTime(read)}`, ...warnings] };
}

function inZone(read: Timestamp, zone: string): TargetTime {
  const wallMicros = read.epochMicros + BigInt(read.offsetMinutes) * 60_000_000n;
  const { minutes, otherMinutes } = zoneOffset(zone, Number(wallMicros / 1000n));
  const at = (offsetMinutes: number): Timestamp => ({
    epochMicros: wallMicros - BigInt(offsetMinutes) * 60_000_000n,
    offsetMinutes,
  });
  const time = at(minutes);
  if (otherMinutes === undefined) return { time, warnings: [] };
  const other = formatLongTime(at(otherMinutes));
  return { time, warnings: [`the clocks of ${zone} were changed then: ${formatLongTime(time)} is taken, not ${other}`] };
}

function readTime(text: string, whole: string): Timestamp & { readonly hasZone: boolean } {
  let reason: unknown;
  try {
    const time = parseTimestamp(text);
    if (time !== undefined) return time;
  } catch (error) {
    reason = error; // an offset that no zone has
  }
  throw new OperatorError('target-invalid', `Unable to parse the target time parameter '${whole}'`, {
    hint: "write it as '2026-01-31 08:59:00+01:00'",
    cause: reason,
  });
}

function plain({ epochMicros, offsetMinutes }: Timestamp): Timestamp {
  return { epochMicros, offsetMinutes };
}
