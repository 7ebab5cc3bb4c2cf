import { segmentStart } from '../../wal/wal-name.ts';
import type { Backup, BackupId } from './backup.ts';

/** Where and when a backup began. */
interface Begun {
  readonly backup: Backup;
  /** Cluster and timeline that its position is on; empty when it has no position. */
  readonly line: string;
  readonly position: bigint;
  /** Microseconds since the epoch. */
  readonly time: bigint;
}

/**
 * The backups, oldest first. On one timeline of one cluster the position in the WAL decides. Between timelines, and for a backup that has
 * no position, the time with its zone does. An id is the local time of the backup host and proves nothing: the hour that daylight saving
 * time repeats, a clock that was set back and another time zone all give a newer backup a smaller id. It decides what is equal otherwise.
 */
export function byAge(backups: readonly Backup[]): readonly Backup[] {
  const begun = backups.map(begunOf).toSorted(byId);
  if (begun.every((one, number) => number === 0 || follows(begun[number - 1], one)) && areLinesInOrder(begun)) {
    return begun.map(({ backup }) => backup);
  }
  return merged(linesOf(begun)).map(({ backup }) => backup);
}

function begunOf(backup: Backup): Begun {
  const { id, systemid, timeline, beginXlog, beginWal, beginTime, xlogSegmentSize } = backup;
  const position = beginXlog ?? (typeof beginWal === 'string' ? segmentStart(beginWal, xlogSegmentSize) : null);
  const line = position === null || timeline === null ? '' : `${systemid ?? ''} ${String(timeline)}`;
  return { backup, line, position: position ?? 0n, time: beginTime?.epochMicros ?? BigInt(instantOfId(id).getTime()) * 1000n };
}

/** The moment that an id names in this host's time zone: all that is known of a backup whose copy has not begun. */
export function instantOfId(id: BackupId): Date {
  const part = (start: number, end: number): number => Number(id.slice(start, end));
  return new Date(part(0, 4), part(4, 6) - 1, part(6, 8), part(9, 11), part(11, 13), part(13, 15));
}

function follows(before: Begun | undefined, { time }: Begun): boolean {
  return before === undefined || before.time <= time;
}

function areLinesInOrder(begun: readonly Begun[]): boolean {
  const last = new Map<string, bigint>();
  return begun.every(({ line, position }) => {
    if (line === '') return true;
    const before = last.get(line);
    last.set(line, position);
    return before === undefined || before <= position;
  });
}

/** One list for each timeline of each cluster, and one for what has no position, each in order. */
function linesOf(begun: readonly Begun[]): readonly (readonly Begun[])[] {
  const lines = new Map<string, Begun[]>();
  for (const one of begun) {
    const line = lines.get(one.line);
    if (line === undefined) lines.set(one.line, [one]);
    else line.push(one);
  }
  return [...lines.values()].map((line) =>
    latestTimes(line.toSorted((a, b) => compare(a.position, b.position) || byTime(a, b))),
  );
}

/** None is earlier than the one before it on its line, whatever the clock said. */
function latestTimes(line: readonly Begun[]): readonly Begun[] {
  let latest = line[0]?.time ?? 0n;
  return line.map((one) => {
    if (one.time > latest) latest = one.time;
    return { ...one, time: latest };
  });
}

function merged(lines: readonly (readonly Begun[])[]): readonly Begun[] {
  const rest = lines.map((line) => line.values());
  const heads = rest.map((line) => line.next().value);
  const all: Begun[] = [];
  for (;;) {
    let first: number | undefined;
    for (const [number, head] of heads.entries()) {
      const oldest = first === undefined ? undefined : heads[first];
      if (head !== undefined && (oldest === undefined || byTime(head, oldest) < 0)) first = number;
    }
    const next = first === undefined ? undefined : heads[first];
    if (first === undefined || next === undefined) return all;
    all.push(next);
    heads[first] = rest[first]?.next().value;
  }
}

function byTime(a: Begun, b: Begun): number {
  return compare(a.time, b.time) || byId(a, b);
}

function byId({ backup: { id: a } }: Begun, { backup: { id: b } }: Begun): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
