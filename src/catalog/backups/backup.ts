import type { PythonDict } from '../../shared/python-literal.ts';
import type { Timestamp } from '../../shared/timestamp.ts';
import type { Lsn } from '../../wal/lsn.ts';
import { defaultSegmentSize, type SegmentName, segmentStart } from '../../wal/wal-name.ts';

declare const backupIdBrand: unique symbol;

/** `YYYYMMDDTHHMMSS`, local time of the backup host at the start of the backup (docs/reference/catalog.md section 3): a name, and no proof of age. */
export type BackupId = string & { readonly [backupIdBrand]: true };

/** The six words of docs/reference/catalog.md section 5.5; a record with any other word is hidden by Barman, and broken for us. */
export const backupStatuses = ['EMPTY', 'STARTED', 'FAILED', 'WAITING_FOR_WALS', 'DONE', 'SYNCING'] as const;
export type BackupStatus = (typeof backupStatuses)[number];

export type BackupType = 'full' | 'incremental' | 'rsync' | 'snapshot';

export interface Tablespace {
  readonly name: string;
  readonly oid: number;
  readonly location: string;
}

/**
 * One base backup as its record (backup.info) has it: docs/reference/catalog.md section 5.3 says what each field means. `null` is the record's
 * `None`. The property names are the keys of the file in camel case.
 */
export interface Backup {
  readonly id: BackupId;
  readonly serverName: string;
  readonly status: BackupStatus;
  readonly mode: string | null;
  readonly backupName: string | null;
  readonly backupLabel: string | null;
  readonly beginOffset: number | null;
  readonly beginTime: Timestamp | null;
  readonly beginWal: SegmentName | null;
  readonly beginXlog: Lsn | null;
  readonly childrenBackupIds: readonly BackupId[] | null;
  readonly clusterSize: number | null;
  /** `none` is an uncompressed tar, null a plain directory. */
  readonly compression: string | null;
  readonly configFile: string | null;
  readonly copyStats: PythonDict | null;
  readonly dataChecksums: string | null;
  readonly deduplicatedSize: number | null;
  readonly encryption: string | null;
  readonly endOffset: number | null;
  readonly endTime: Timestamp | null;
  readonly endWal: SegmentName | null;
  readonly endXlog: Lsn | null;
  readonly error: string | null;
  readonly hbaFile: string | null;
  readonly identFile: string | null;
  readonly includedFiles: readonly string[] | null;
  readonly parentBackupId: BackupId | null;
  readonly pgdata: string | null;
  readonly size: number | null;
  /** Kept as parsed Python literal; written back as it was. */
  readonly snapshotsInfo: PythonDict | null;
  readonly summarizeWal: string | null;
  readonly systemid: string | null;
  readonly tablespaces: readonly Tablespace[] | null;
  readonly timeline: number | null;
  readonly version: number | null;
  readonly xlogSegmentSize: number;
  /** Fields that another release wrote, by key, as they are in the record: kept when the record is written again, and shown. */
  readonly otherKeys?: ReadonlyMap<string, string>;
}

/** Reads a backup id; undefined when the text has another shape. */
export function parseBackupId(text: string): BackupId | undefined {
  return /^\d{8}T\d{6}$/.test(text) ? (text as BackupId) : undefined; // its shape was just tested
}

/** The id one second later; undefined at the end of the calendar. */
export function idAfter(id: BackupId): BackupId | undefined {
  const [, date = '', hour = '', rest = ''] = /^(\d{8})T(\d\d)(\d{4})$/.exec(id) ?? [];
  const day = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}`;
  const time = new Date(`${day}T${hour}:${rest.slice(0, 2)}:${rest.slice(2)}Z`).getTime(); // a calendar without a zone
  return Number.isNaN(time)
    ? undefined
    : parseBackupId(new Date(time + 1000).toISOString().slice(0, 19).replaceAll(/[-:]/g, ''));
}

/** Its files are complete: DONE or WAITING_FOR_WALS (docs/reference/catalog.md section 3, COPY_DONE). */
export function isCopyDone(backup: Backup): boolean {
  return backup.status === 'DONE' || backup.status === 'WAITING_FOR_WALS';
}

/** docs/reference/catalog.md section 5.6, "backup type". */
export function backupTypeOf(backup: Backup): BackupType {
  if (backup.mode?.startsWith('snapshot') === true) return 'snapshot';
  if (backup.mode?.startsWith('rsync') === true) return 'rsync';
  return backup.parentBackupId === null ? 'full' : 'incremental';
}

/** A record that was just created (docs/reference/catalog.md section 5.5): everything that is not known yet is null. */
export function newBackup(known: {
  readonly id: BackupId;
  readonly serverName: string;
  readonly mode: string;
  readonly backupName: string | null;
  readonly systemid: string | null;
  readonly parentBackupId: BackupId | null;
}): Backup {
  return { ...emptyBackup(known.id), ...known };
}

/** A backup without a single known field: what a record with missing keys is read onto. */
export function emptyBackup(id: BackupId): Backup {
  return {
    id,
    serverName: '',
    status: 'EMPTY',
    mode: null,
    backupName: null,
    backupLabel: null,
    beginOffset: null,
    beginTime: null,
    beginWal: null,
    beginXlog: null,
    childrenBackupIds: null,
    clusterSize: null,
    compression: null,
    configFile: null,
    copyStats: null,
    dataChecksums: null,
    deduplicatedSize: null,
    encryption: null,
    endOffset: null,
    endTime: null,
    endWal: null,
    endXlog: null,
    error: null,
    hbaFile: null,
    identFile: null,
    includedFiles: null,
    parentBackupId: null,
    pgdata: null,
    size: null,
    snapshotsInfo: null,
    summarizeWal: null,
    systemid: null,
    tablespaces: null,
    timeline: null,
    version: null,
    xlogSegmentSize: defaultSegmentSize,
  };
}

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

/** Ids of the backups that are built directly on each other one, oldest first, by what their own records say. */
export function childrenByParent(backups: readonly Backup[]): ReadonlyMap<BackupId, readonly BackupId[]> {
  const children = new Map<BackupId, BackupId[]>();
  for (const { id, parentBackupId } of byAge(backups)) {
    if (parentBackupId === null) continue;
    children.set(parentBackupId, [...(children.get(parentBackupId) ?? []), id]);
  }
  return children;
}

/** The backups that one is built on, its parent first; ends where a record is missing. */
export function ancestorsOf(backups: readonly Backup[], backup: Backup): readonly Backup[] {
  const ancestors: Backup[] = [];
  for (let wanted = backup.parentBackupId; wanted !== null; ) {
    const ancestor = backups.find(({ id }) => id === wanted);
    if (ancestor === undefined || ancestors.includes(ancestor)) break;
    ancestors.push(ancestor);
    wanted = ancestor.parentBackupId;
  }
  return ancestors;
}
