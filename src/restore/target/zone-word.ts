import { isAreaCity, type ZoneOffset, zoneOffset } from '../../shared/zone-offset.ts';
import { offsetIn, type PostgresZone } from './postgres-zone.ts';

/**
 * Abbreviations of PostgreSQL's own list (timezonesets/Default) that mean the same offset in every zone of the time zone database that ever
 * used them. Minutes east of UTC.
 */
const abbreviations: Readonly<Record<string, number>> = {
  ACDT: 630,
  AEDT: 660,
  AEST: 600,
  AKDT: -480,
  AKST: -540,
  AWST: 480,
  CEST: 120,
  CET: 60,
  EAT: 180,
  EDT: -240,
  EEST: 180,
  EET: 120,
  EST: -300,
  HKT: 480,
  JST: 540,
  MDT: -360,
  NZDT: 780,
  PKT: 300,
  WAT: 60,
};

/**
 * Abbreviations of that list which other zones use, or once used, for other offsets: `BST` is Britain's or Bougainville's, `CST` America's, China's or
 * Cuba's. They are read when the server's own clock has that offset.
 */
const ambiguousAbbreviations: Readonly<Record<string, number>> = {
  ACST: 570,
  ADT: -180,
  AST: -240,
  BST: 60,
  CDT: -300,
  CST: -360,
  HST: -600,
  IDT: 180,
  IST: 120,
  KST: 540,
  MET: 60,
  MST: -420,
  NDT: -150,
  NST: -210,
  NZST: 720,
  PDT: -420,
  PST: -480,
  SAST: 120,
  WET: 0,
};

const universal = new Set(['UTC', 'GMT', 'Z']);

type ZoneReading =
  | ({ readonly kind: 'read' } & ZoneOffset)
  /** A reason, and the offsets that may have been meant. */
  | { readonly kind: 'refused'; readonly reason: string; readonly candidates: readonly number[] };

/**
 * The offset that a word behind a time stands for: UTC, the name of a zone (Area/City), or an abbreviation that PostgreSQL reads in one way
 * only. The server's zone decides what is ambiguous elsewhere.
 * @param wallMs the wall clock as if it were UTC, milliseconds since the epoch
 * @param server undefined when its zone is not known, or when it has abbreviations of its own (`timezone_abbreviations`)
 */
export function readZoneWord(word: string, wallMs: number, server: PostgresZone | undefined): ZoneReading {
  const upper = word.toUpperCase();
  const listed = listedOffset(upper);
  if (server?.kind === 'fixed' && server.abbreviation?.toUpperCase() === upper && server.minutes !== listed) {
    const reason = `the server's time zone calls itself '${word}', and is another one`;
    return { kind: 'refused', reason, candidates: [server.minutes, ...(listed === undefined ? [] : [listed])] };
  }
  if (universal.has(upper)) return { kind: 'read', minutes: 0, otherMinutes: undefined };
  if (isAreaCity(word)) return { kind: 'read', ...zoneOffset(word, wallMs) };
  if (listed === undefined) {
    const isShort = /^[A-Za-z]{2,5}$/.test(word);
    const reason = isShort
      ? `'${word}' is an abbreviation with several meanings in PostgreSQL`
      : `no time zone is named '${word}'`;
    return { kind: 'refused', reason, candidates: [] };
  }
  const there = server === undefined ? undefined : offsetIn(server, wallMs);
  const isServers = there !== undefined && [there.minutes, there.otherMinutes].includes(listed);
  if (isServers) return { kind: 'read', minutes: listed, otherMinutes: undefined };
  if (!Object.hasOwn(abbreviations, upper)) {
    return { kind: 'refused', reason: `'${word}' is the name of more than one time zone`, candidates: [listed] };
  }
  if (server !== undefined && there !== undefined && isOutOfSeason(server, wallMs, listed)) {
    return {
      kind: 'refused',
      reason: `the clocks of the server do not show ${upper} on that day`,
      candidates: [listed, there.minutes],
    };
  }
  return { kind: 'read', minutes: listed, otherMinutes: undefined };
}

/** Whether the server's zone has that offset in another season: its standard time in summer, or its summer time in winter. */
function isOutOfSeason(server: PostgresZone, wallMs: number, minutes: number): boolean {
  const halfYearMs = 182 * 86_400_000;
  return [wallMs - halfYearMs, wallMs + halfYearMs].some((other) => offsetIn(server, other).minutes === minutes);
}

/** The entry of PostgreSQL's own list for an abbreviation. */
function listedOffset(upper: string): number | undefined {
  return universal.has(upper) ? 0 : (own(abbreviations, upper) ?? own(ambiguousAbbreviations, upper));
}

function own(table: Readonly<Record<string, number>>, key: string): number | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
