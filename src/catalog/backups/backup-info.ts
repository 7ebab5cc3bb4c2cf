import { OperatorError } from '../../shared/operator-error.ts';
import {
  formatPythonLiteral,
  isDict,
  type PythonDict,
  PythonTuple,
  type PythonValue,
  parsePythonLiteral,
  snakeCase,
} from '../../shared/python-literal.ts';
import { formatLongTime, parseTimestamp, type Timestamp } from '../../shared/timestamp.ts';
import { formatLsn, type Lsn, parseLsn } from '../../wal/lsn.ts';
import { isSegmentOf, isSegmentSize, parseSegmentName, type SegmentName, segmentIndex } from '../../wal/wal-name.ts';
import {
  type Backup,
  type BackupId,
  type BackupStatus,
  backupStatuses,
  emptyBackup,
  parseBackupId,
  type Tablespace,
} from './backup.ts';

type RecordField = Exclude<keyof Backup, 'id' | 'otherKeys'>;

/** How one field stands in a record: `read` gives undefined for text that is no such value. */
interface FieldText<T> {
  readonly read: (text: string) => T | undefined;
  readonly write: (value: T) => string;
}

const text: FieldText<string> = { read: (value) => value, write: (value) => value.replaceAll(/[\r\n]+/g, ' ') };
const integer: FieldText<number> = {
  read: (value) => (/^[+-]?\d+$/.test(value) && Number.isSafeInteger(Number(value)) ? Number(value) : undefined),
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
/** Passive nodes of 3.17 wrote the characters of the list, each followed by a comma: what is no list of ids is left out (docs/reference/catalog.md section 5.7). */
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

/** Every field of a record and how it is written (docs/reference/catalog.md section 5.3). We add none: Barman up to 3.20 dies of a key that it does not know. */
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
const fieldOf = new Map(Object.keys(fields).map((field) => [snakeCase(field), field as RecordField])); // the keys of that very object
/**
 * Releases of Barman before 3.14 die of the key `encryption`, and all of them of `mode=None` (docs/reference/catalog.md section 5.2); a missing key
 * is null for all of them.
 */
const leftOutWhenNull: readonly RecordField[] = ['backupName', 'encryption', 'mode', 'snapshotsInfo'];

/**
 * Reads a record (docs/reference/catalog.md section 5.2).
 * @param path for the message only
 * @throws OperatorError `backup-info-invalid` naming the file, the line and the key
 */
export function parseBackupInfo(content: string, backupId: BackupId, path: string): Backup {
  return new RecordReader().read(content, backupId, path);
}

/** Line of a record, and what it says. */
type ReadLine =
  | { readonly raw: string; readonly kind: 'blank' }
  | { readonly raw: string; readonly kind: 'known'; readonly field: RecordField; readonly value: unknown }
  | { readonly raw: string; readonly kind: 'other'; readonly key: string; readonly value: string };

/** Reads many records: a line that was the same in the record before, as most of them are, is not read again. */
export class RecordReader {
  readonly #before: ReadLine[] = [];

  /** As {@link parseBackupInfo}. */
  read(content: string, backupId: BackupId, path: string): Backup {
    const backup: Record<RecordField, unknown> & { readonly id: BackupId } = emptyBackup(backupId);
    const otherKeys = new Map<string, string>();
    const lines = content.split('\n');
    for (let index = 0; index < lines.length; index++) {
      const raw = lines[index] ?? '';
      let line = this.#before[index];
      if (line?.raw !== raw) line = this.#before[index] = readLine(raw, () => `${path}:${String(index + 1)}`);
      if (line.kind === 'known') backup[line.field] = line.value;
      else if (line.kind === 'other') otherKeys.set(line.key, line.value);
    }
    const read = backup as Backup; // readLine gives each field the type the table says
    return otherKeys.size === 0 ? read : { ...read, otherKeys };
  }
}

function readLine(raw: string, where: () => string): ReadLine {
  const line = raw.trim();
  if (line === '' || line.startsWith('#')) return { raw, kind: 'blank' };
  const split = line.indexOf('=');
  if (split === -1) throw invalid(`${where()}: a line of a backup record must be "key=value"`);
  const key = line.slice(0, split).trim();
  const value = line.slice(split + 1).trim();
  const field = fieldOf.get(key);
  if (field !== undefined) return { raw, kind: 'known', field, value: readField(field, value, where) };
  if (!/^\w+$/.test(key)) throw invalid(`${where()}: not a key of a backup record: ${key.slice(0, 60)}`);
  return { raw, kind: 'other', key, value };
}

/** More WAL than anybody writes during one backup: 64 TB in segments of 16 MB. */
const mostSegments = 4_000_000;
const counts: readonly RecordField[] = ['beginOffset', 'clusterSize', 'deduplicatedSize', 'endOffset', 'size', 'version'];

/**
 * A record whose values can be of no cluster is damaged, or made to keep us busy.
 * @param path for the message only
 * @throws OperatorError `backup-info-invalid` naming the key
 */
export function requirePossible(backup: Backup, path: string): void {
  const wrong = impossibleField(backup);
  if (wrong === undefined) return;
  throw invalid(`${path}: no backup can have ${snakeCase(wrong)}=${formatField(backup, wrong)}`);
}

function impossibleField(backup: Backup): RecordField | undefined {
  const { beginWal, endWal, timeline, xlogSegmentSize } = backup;
  if (!isSegmentSize(xlogSegmentSize)) return 'xlogSegmentSize';
  if (timeline !== null && (timeline < 0 || timeline > 0xffff_ffff)) return 'timeline';
  if (beginWal !== null && !isSegmentOf(beginWal, xlogSegmentSize)) return 'beginWal';
  if (endWal !== null && !isSegmentOf(endWal, xlogSegmentSize)) return 'endWal';
  const isTooLong =
    beginWal !== null &&
    endWal !== null &&
    segmentIndex(endWal, xlogSegmentSize) - segmentIndex(beginWal, xlogSegmentSize) > mostSegments;
  if (isTooLong) return 'endWal';
  return counts.find((field) => Number(backup[field] ?? 0) < 0);
}

/** The record as it is written: keys in alphabetical order, null as `None`. */
export function formatBackupInfo(backup: Backup): string {
  const lines: [string, string][] = [...(backup.otherKeys ?? [])];
  for (const [key, field] of fieldOf) {
    if (backup[field] === null && leftOutWhenNull.includes(field)) continue;
    lines.push([key, formatField(backup, field)]);
  }
  return lines
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

/** One field as the record has it: for JSON forms, hooks and messages. */
function formatField(backup: Backup, field: RecordField): string {
  const value = backup[field];
  if (value === null) return 'None';
  const { write } = fields[field] as FieldText<typeof value>; // the table pairs each field with the type of its value
  return write(value);
}

/** Fields by their keys, alphabetically. */
export function recordFields(): readonly (readonly [string, RecordField])[] {
  return [...fieldOf].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function readField(field: RecordField, value: string, where: () => string): unknown {
  if (value === 'None') {
    if (field === 'xlogSegmentSize' || field === 'status') throw invalid(`${where()}: ${snakeCase(field)} cannot be None`);
    return field === 'serverName' ? '' : null;
  }
  const read = fields[field].read(value);
  if (read === undefined) throw invalid(`${where()}: ${snakeCase(field)} cannot be read: ${value.slice(0, 60)}`);
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
