import { isZoneName, type ZoneOffset, zoneOffset } from '../../shared/zone-offset.ts';

/** The meaning of PostgreSQL's setting `timezone`. */
export type PostgresZone =
  | { readonly kind: 'named'; readonly name: string }
  /** Minutes east of UTC, at any time of the year. */
  | {
      readonly kind: 'fixed';
      readonly minutes: number;
      /** The abbreviation that its clock shows; from 18 on PostgreSQL reads that word as this zone, even `UTC`. */
      readonly abbreviation?: string;
    };

const posixShape = /^(?:<([A-Za-z0-9+-]+)>|([A-Za-z]{3,}))([+-]?)(\d{1,3})(?::(\d{1,2}))?(?::0{1,2})?$/;

/**
 * Reads a value of `timezone`: a name of the time zone database, hours east of UTC as a number, or the POSIX way without daylight saving time,
 * where hours count to the west (`UTC+3`, `<+0530>-5:30`).
 * @returns undefined when only PostgreSQL understands it, or nobody does
 */
export function readPostgresZone(value: string): PostgresZone | undefined {
  const name = value.replace(/^posix\//i, '');
  if (isZoneName(name)) return { kind: 'named', name };
  if (/^[+-]?\d{1,2}(\.\d+)?$/.test(value)) return fixed(Number(value) * 60);
  const [, bracketed, plain, sign, hours, minutes = '0'] = posixShape.exec(value) ?? [];
  if (hours === undefined || Number(minutes) > 59) return undefined;
  const west = Number(hours) * 60 + Number(minutes);
  return fixed(sign === '-' ? west : -west, bracketed ?? plain);
}

/** The offset of a wall clock in the zone. */
export function offsetIn(zone: PostgresZone, wallMs: number): ZoneOffset {
  return zone.kind === 'named' ? zoneOffset(zone.name, wallMs) : { minutes: zone.minutes, otherMinutes: undefined };
}

/** No zone is a day away from UTC. */
function fixed(minutes: number, abbreviation?: string): PostgresZone | undefined {
  if (!Number.isInteger(minutes) || Math.abs(minutes) >= 24 * 60) return undefined;
  return { kind: 'fixed', minutes, ...(abbreviation !== undefined && { abbreviation }) };
}
