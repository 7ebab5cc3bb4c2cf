import type { Backup } from '../catalog/backups/backup.ts';
import type { Json, JsonObject } from '../shared/format-json.ts';
import { formatPythonLiteral, snakeCase } from '../shared/python-literal.ts';
import { formatCTime, formatIsoTime, type Timestamp } from '../shared/timestamp.ts';
import { formatLsn } from '../wal/lsn.ts';
import { jsonOfPython } from './python-json.ts';

/** The reader of the record: `sync-info` has every time twice, `backup` in C time, `diagnose` as ISO 8601. */
export type RecordReader = 'backup' | 'sync-info' | 'diagnose';

type RecordField = Exclude<keyof Backup, 'id' | 'otherKeys'>;

const plain = (value: Json): Json => value;
const times: Readonly<Record<RecordReader, (time: Timestamp) => string>> = {
  backup: formatCTime,
  'sync-info': formatCTime,
  diagnose: formatIsoTime,
};
const leftOutWhenNull: readonly RecordField[] = ['backupName', 'snapshotsInfo'];

/** Every field but the times, by its JSON form; the type keeps the list complete. */
const fields: { readonly [K in Exclude<RecordField, 'beginTime' | 'endTime'>]: (value: NonNullable<Backup[K]>) => Json } = {
  backupLabel: formatPythonLiteral,
  backupName: plain,
  beginOffset: plain,
  beginWal: plain,
  beginXlog: formatLsn,
  childrenBackupIds: (ids) => ids.join(','),
  clusterSize: plain,
  compression: plain,
  configFile: plain,
  copyStats: jsonOfPython,
  dataChecksums: plain,
  deduplicatedSize: plain,
  encryption: plain,
  endOffset: plain,
  endWal: plain,
  endXlog: formatLsn,
  error: plain,
  hbaFile: plain,
  identFile: plain,
  includedFiles: plain,
  mode: plain,
  parentBackupId: plain,
  pgdata: plain,
  serverName: plain,
  size: plain,
  snapshotsInfo: jsonOfPython,
  status: plain,
  summarizeWal: plain,
  systemid: plain,
  tablespaces: (tablespaces) => tablespaces.map(({ name, oid, location }) => [name, oid, location]),
  timeline: plain,
  version: plain,
  xlogSegmentSize: plain,
};

/**
 * The record of a backup as `backup -f json`, `sync-info` and `diagnose` print it (docs/reference/catalog.md section 5.7): fields in alphabetical
 * order, then the id. Barman's passive nodes read it: the label is quoted text and the children are one word with commas.
 */
export function recordJson(backup: Backup, reader: RecordReader = 'backup'): JsonObject {
  const format = times[reader];
  const timeOf = (time: Timestamp | null): Json => (time === null ? null : format(time));
  const entries = Object.keys(fields).flatMap((key): [string, Json][] => {
    const field = key as keyof typeof fields; // the keys of that very object
    return backup[field] === null && leftOutWhenNull.includes(field) ? [] : [[snakeCase(field), fieldJson(backup, field)]];
  });
  entries.push(['begin_time', timeOf(backup.beginTime)], ['end_time', timeOf(backup.endTime)]);
  return {
    ...Object.fromEntries([...(backup.otherKeys ?? []), ...entries].toSorted(([a], [b]) => (a < b ? -1 : 1))),
    backup_id: backup.id,
    ...(reader === 'sync-info' ? { begin_time_iso: isoOf(backup.beginTime), end_time_iso: isoOf(backup.endTime) } : {}),
  };
}

function fieldJson(backup: Backup, field: keyof typeof fields): Json {
  const value = backup[field];
  if (value === null) return null;
  const toJson = fields[field] as (value: unknown) => Json; // the table pairs each field with the type of its value
  return toJson(value);
}

function isoOf(time: Timestamp | null): string | null {
  return time === null ? null : formatIsoTime(time);
}
