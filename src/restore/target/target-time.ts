import { OperatorError } from '../../shared/operator-error.ts';
import { formatLongTime, type Timestamp } from '../../shared/timestamp.ts';
import type { ZoneOffset } from '../../shared/zone-offset.ts';
import { offsetIn, type PostgresZone, readPostgresZone } from './postgres-zone.ts';
import { type ClockTime, readClockTime } from './read-clock-time.ts';
import { readZoneWord } from './zone-word.ts';

/** The known facts about the zone that the PostgreSQL server of a backup reads times in. */
export type ServerZone =
  | {
      readonly kind: 'known';
      readonly zone: PostgresZone;
      /** As it is written in the configuration. */
      readonly name: string;
      /** `timezone in postgresql.conf of backup 20260101T000000`. */
      readonly origin: string;
      /** The server reads abbreviations as PostgreSQL does by default. */
      readonly hasUsualAbbreviations: boolean;
    }
  /** The configuration says something, and it could not be read: why. */
  | { readonly kind: 'unreadable'; readonly reason: string };

interface TargetTime {
  readonly time: Timestamp;
  readonly warnings: readonly string[];
}

/** Where the clock of a zone jumps, and how a time without an offset was read there. */
interface Placed {
  readonly offset: ZoneOffset;
  /** `Europe/Berlin`, `this host`. */
  readonly of: string;
}

/**
 * Reads a recovery target time: with an offset, with the name or abbreviation of a zone, or without either, then in the zone of the PostgreSQL
 * server that was backed up (as PostgreSQL itself reads such a time), or in that of this host when the backup does not say.
 * @param server undefined when the backup holds no configuration
 * @throws OperatorError `target-invalid`
 */
export function parseTargetTime(text: string, server: ServerZone | undefined): TargetTime {
  const read = readClockTime(text);
  if (read === undefined) {
    throw new OperatorError('target-invalid', `Unable to parse the target time parameter '${text}'`, {
      hint: "write it as '2026-01-31 08:59:00+01:00'",
    });
  }
  if (read.zone.kind === 'offset') return { time: at(read, read.zone.minutes), warnings: [] };
  if (read.zone.kind === 'word') return withWord(read, read.zone.word, server);
  return withoutZone(read, server);
}

function withWord(read: ClockTime, word: string, server: ServerZone | undefined): TargetTime {
  const zone = server?.kind === 'known' && server.hasUsualAbbreviations ? server.zone : undefined;
  const reading = readZoneWord(word, wallMsOf(read), zone);
  if (reading.kind === 'refused') {
    const written = reading.candidates.map((minutes) => `'${formatLongTime(at(read, minutes))}'`);
    const example = written.length === 0 ? "(+01:00), or a name such as 'Europe/Berlin'" : `as in ${written.join(' or ')}`;
    throw new OperatorError('target-invalid', reading.reason, { hint: `write the offset ${example}` });
  }
  return placed(read, { offset: reading, of: word });
}

function withoutZone(read: ClockTime, server: ServerZone | undefined): TargetTime {
  const start = "No time zone has been specified through '--target-time':";
  if (server?.kind === 'unreadable') {
    throw new OperatorError(
      'target-invalid',
      `the target time has no time zone, and that of the server is not known: ${server.reason}`,
      {
        hint: `write the offset, as in '${formatLongTime(at(read, 0))}'`,
      },
    );
  }
  if (server === undefined) {
    const { time, warnings } = placed(read, hostClock(read));
    const words = `${start} the time zone of this host (${formatLongTime(time).slice(-6)}) is assumed`;
    return { time, warnings: [words, ...warnings] };
  }
  const { time, warnings } = placed(read, { offset: offsetIn(server.zone, wallMsOf(read)), of: server.name });
  const words = `${server.name} is assumed, the zone of the PostgreSQL server (${server.origin})`;
  return { time, warnings: [`${start} ${words}: ${formatLongTime(time)}`, ...warnings] };
}

/** The clock of this host; a `TZ` that the runtime cannot name has the offset that the runtime reads. */
function hostClock(read: ClockTime): Placed {
  const zone = readPostgresZone(Intl.DateTimeFormat().resolvedOptions().timeZone);
  if (zone !== undefined) return { offset: offsetIn(zone, wallMsOf(read)), of: 'this host' };
  const wall = new Date(wallMsOf(read));
  const local = new Date(
    wall.getUTCFullYear(),
    wall.getUTCMonth(),
    wall.getUTCDate(),
    wall.getUTCHours(),
    wall.getUTCMinutes(),
    wall.getUTCSeconds(),
  );
  return { offset: { minutes: -local.getTimezoneOffset(), otherMinutes: undefined }, of: 'this host' };
}

function placed(read: ClockTime, { offset, of }: Placed): TargetTime {
  const time = at(read, offset.minutes);
  if (offset.otherMinutes === undefined) return { time, warnings: [] };
  const other = formatLongTime(at(read, offset.otherMinutes));
  return { time, warnings: [`the clocks of ${of} were changed then: ${formatLongTime(time)} is taken, not ${other}`] };
}

function at({ wallMicros }: ClockTime, offsetMinutes: number): Timestamp {
  return { epochMicros: wallMicros - BigInt(offsetMinutes) * 60_000_000n, offsetMinutes };
}

function wallMsOf({ wallMicros }: ClockTime): number {
  return Number(wallMicros / 1000n);
}
