import { OperatorError } from '../shared/operator-error.ts';
import {
  formatPythonLiteral,
  isDict,
  type PythonDict,
  PythonTuple,
  type PythonValue,
  parsePythonLiteral,
} from '../shared/python-literal.ts';
import { formatLongTime, parseTimestamp, type Timestamp } from '../shared/timestamp.ts';
import { formatLsn, type Lsn, parseLsn } from '../wal/lsn.ts';
import { parseSegmentName, type SegmentName } from '../wal/wal-name.ts';
import {
  type Backup,
  type BackupId,
  type BackupStatus,
  backupStatuses,
  emptyBackup,
  parseBackupId,
  type Tablespace,
} from './backup.ts';

type RecordField = Exclude<keyof Backup, 'id'>;

/** How one field stands in a record: `read` gives undefined for text that is no such value. */
interface FieldText<T> {
  readonly read: (text: string) => T | undefined;
  readonly write: (value: T) => string;
}

const text: FieldText<string> = { read: (value) => value, write: (value) => value.replaceAll(/[\r\n]+/g, ' ') };
const integer: FieldText<number> = {
  read: (value) => (/^[+-]?\d+$/.test(value) ? Number(value) : undefined),
  write: String,
};
const time: FieldText<Timestamp> = { read: parseTimestamp, write: formatLongTime };
const position: FieldText<Lsn> = { read: parseLsn, write: formatLsn };
const segment: FieldText<SegmentName> = { read: parseSegmentName, write: (value) => value };
const id: FieldText<BackupId> = { read: parseBackupId, write: (value) => value };
const status: FieldText<BackupStatus> = {
  read: (value) => backupStatuses.find((word) => word === value),
  write: (value) => value,
};
const dict: FieldText<PythonDict> = {
  read(value) {
    const literal = parsePythonLiteral(value);
    return isDict(literal) ? literal : undefined;
  },
  write: formatPythonLiteral,
};
const label: FieldText<string> = { read: readLabel, write: formatPythonLiteral };
/** Passive nodes of 3.17 wrote the characters of the list, each followed by a comma: what is no list of ids is left out (catalog.md section 5.7). */
const ids: FieldText<readonly BackupId[]> = {
  read(value) {
    const found = value.split(',').map((word) => parseBackupId(word.trim()));
    return found.filter((known) => known !== undefined);
  },
  write: (value) => (value.length === 0 ? 'None' : value.join(',')),
};
const texts: FieldText<readonly string[]> = {
  read(value) {
    const literal = parsePythonLiteral(value);
    if (!isList(literal)) return undefined;
    return literal.filter((item) => typeof item === 'string');
  },
  write: (value) => formatPythonLiteral(value),
};
const tablespaces: FieldText<readonly Tablespace[]> = { read: readTablespaces, write: formatTablespaces };

/** Every field of a record and how it is written (catalog.md section 5.3); the list is closed: Barman dies of an unknown key. */
const fields: { readonly [K in RecordField]: FieldText<NonNullable<Backup[K]>> } = {
  backupLabel: label,
  backupName: text,
  beginOffset: integer,
  beginTime: time,
  beginWal: segment,
  beginXlog: position,
  childrenBackupIds: ids,
  clusterSize: integer,
  compression: text,
  configFile: text,
  copyStats: dict,
  dataChecksums: text,
  deduplicatedSize: integer,
  encryption: text,
  endOffset: integer,
  endTime: time,
  endWal: segment,
  endXlog: position,
  error: text,
  hbaFile: text,
  identFile: text,
  includedFiles: texts,
  mode: text,
  parentBackupId: id,
  pgdata: text,
  serverName: text,
  size: integer,
  snapshotsInfo: dict,
  status,
  summarizeWal: text,
  systemid: text,
  tablespaces,
  timeline: integer,
  version: integer,
  xlogSegmentSize: integer,
};
const fieldOf = new Map(Object.keys(fields).map((field) => [keyOf(field), field as RecordField])); // the keys of that very object
/**
 * Releases of Barman before 3.14 die of the key `encryption`, and all of them of `mode=None` (catalog.md section 5.2); a missing key
 * is null for all of them.
 */
const leftOutWhenNull: readonly RecordField[] = ['backupName', 'encryption', 'mode', 'snapshotsInfo'];

/**
 * Reads a record (catalog.md section 5.2).
 * @param path for the message only
 * @throws OperatorError `backup-info-invalid` naming the file, the line and the key
 */
export function parseBackupInfo(content: string, backupId: BackupId, path: string): Backup {
  return new RecordReader().read(content, backupId, path);
}

/** Line of a record, and what it says; no field for blanks and comments. */
interface ReadLine {
  readonly raw: string;
  readonly field: RecordField | undefined;
  readonly value: unknown;
}

/** Reads many records: a line that was the same in the record before, as most of them are, is not read again. */
export class RecordReader {
  readonly #before: ReadLine[] = [];

  /** As {@link parseBackupInfo}. */
  read(content: string, backupId: BackupId, path: string): Backup {
    const backup: Record<RecordField, unknown> & { readonly id: BackupId } = emptyBackup(backupId);
    const lines = content.split('\n');
    for (let index = 0; index < lines.length; index++) {
      const raw = lines[index] ?? '';
      let line = this.#before[index];
      if (line?.raw !== raw) line = this.#before[index] = readLine(raw, () => `${path}:${String(index + 1)}`);
      if (line.field !== undefined) backup[line.field] = line.value;
    }
    return backup as Backup; // readLine gives each field the type the table says
  }
}

function readLine(raw: string, where: () => string): ReadLine {
  const line = raw.trim();
  if (line === '' || line.startsWith('#')) return { raw, field: undefined, value: undefined };
  const split = line.indexOf('=');
  if (split === -1) throw invalid(`${where()}: no "key=value" in a backup record`);
  const key = line.slice(0, split).trim();
  const field = fieldOf.get(key);
  if (field === undefined) throw invalid(`${where()}: unknown key ${key} in a backup record`);
  return { raw, field, value: readField(field, line.slice(split + 1).trim(), where) };
}

/** The record as it is written: keys in alphabetical order, null as `None`. */
export function formatBackupInfo(backup: Backup): string {
  const lines: string[] = [];
  for (const [key, field] of [...fieldOf].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (backup[field] === null && leftOutWhenNull.includes(field)) continue;
    lines.push(`${key}=${formatField(backup, field)}\n`);
  }
  return lines.join('');
}

/** One field as the record has it: for JSON forms, hooks and messages. */
function formatField(backup: Backup, field: RecordField): string {
  const value = backup[field];
  if (value === null) return 'None';
  const { write } = fields[field] as FieldText<typeof value>; // the table pairs each field with the type of its value
  return write(value);
}

/** Key of a field in the file: `beginWal` is `begin_wal`. */
export function keyOf(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Fields by their keys, alphabetically. */
export function recordFields(): readonly (readonly [string, RecordField])[] {
  return [...fieldOf].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function readField(field: RecordField, value: string, where: () => string): unknown {
  if (value === 'None') {
    if (field === 'xlogSegmentSize' || field === 'status') throw invalid(`${where()}: ${keyOf(field)} cannot be None`);
    return field === 'serverName' ? '' : null;
  }
  const read = fields[field].read(value);
  if (read === undefined) throw invalid(`${where()}: ${keyOf(field)} cannot be read: ${value.slice(0, 60)}`);
  return read;
}

function invalid(message: string): OperatorError {
  return new OperatorError('backup-info-invalid', message, {
    hint: 'repair the line, or move the file away: the backup is then no longer listed',
  });
}

/** Labels that came over a passive node of 3.17 are quoted once more at each hop. */
function readLabel(value: string): string | undefined {
  let label = parsePythonLiteral(value);
  while (typeof label === 'string' && /^['"]/.test(label)) {
    const inner = parsePythonLiteral(label);
    if (typeof inner !== 'string') break;
    label = inner;
  }
  return typeof label === 'string' ? label : undefined;
}

function readTablespaces(value: string): readonly Tablespace[] | undefined {
  const literal = parsePythonLiteral(value);
  if (!isList(literal)) return undefined;
  const found = literal.map(readTablespace);
  return found.every((tablespace) => tablespace !== undefined) ? found : undefined;
}

function readTablespace(value: PythonValue): Tablespace | undefined {
  const items = value instanceof PythonTuple ? value.items : isList(value) ? value : [];
  const [name, oid, location] = items;
  if (typeof name !== 'string' || typeof oid !== 'number' || typeof location !== 'string') return undefined;
  return { name, oid, location };
}

function formatTablespaces(value: readonly Tablespace[]): string {
  return formatPythonLiteral(value.map(({ name, oid, location }) => new PythonTuple([name, oid, location])));
}

function isList(value: PythonValue | undefined): value is readonly PythonValue[] {
  return Array.isArray(value);
}
