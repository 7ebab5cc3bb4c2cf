import type { PythonDict } from '../../shared/python-literal.ts';
import type { Timestamp } from '../../shared/timestamp.ts';
import type { Lsn } from '../../wal/lsn.ts';
import { defaultSegmentSize, type SegmentName } from '../../wal/wal-name.ts';

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
  /** What another release wrote beside these, by key, as it stands in the record: kept when the record is written again, and shown. */
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
