import type { BackupDetails } from '../operations/reports/backup-reports.ts';
import { formatFixed, formatRatio } from '../shared/format-fixed.ts';
import { isDict, type PythonDict, type PythonValue } from '../shared/python-literal.ts';
import { formatLongTime } from '../shared/timestamp.ts';
import { formatInterval, formatSize } from '../shared/units.ts';
import { formatLsn } from '../wal/lsn.ts';
import { copyStatistic, isComplete, positive, resourcesSaved } from './backup-statistics.ts';
import { jsonOfPython } from './python-json.ts';
import { wordOf } from './python-words.ts';

/** A label with its value; rows without a value are left out. */
type Row = readonly [label: string, value: string | number | null | undefined];

/** A row of the outermost level: two blanks, label as wide as 23. */
export function row(label: string, value: string): string {
  return `  ${label.padEnd(23)}: ${value}`;
}

/** The rows above the sections. */
export function topRows({ backup, serverName }: BackupDetails): string[] {
  const isDone = isComplete(backup);
  const clusterSize = positive(backup.clusterSize);
  const rows: readonly Row[] = [
    ['Backup Name', backup.backupName],
    ['Server Name', serverName],
    ['System Id', backup.systemid],
    ['Status', backup.status],
    ['PostgreSQL Version', isDone ? wordOf(backup.version) : undefined],
    ['PGDATA directory', isDone ? wordOf(backup.pgdata) : undefined],
    ['Estimated Cluster Size', isDone && clusterSize !== undefined ? formatSize(clusterSize) : undefined],
    ...(backup.otherKeys ?? []),
  ];
  return withValue(rows).map(([label, value]) => row(label, value));
}

/** The facts that the server reported about itself; nothing when there are none. */
export function serverSection({ backup }: BackupDetails): string[] {
  return section('Server information', [
    ['Checksums', backup.dataChecksums],
    ['WAL summarizer', backup.summarizeWal],
  ]);
}

/** Disk snapshots of the backup (docs/reference/catalog.md section 13). */
export function snapshotSection({ backup: { snapshotsInfo } }: BackupDetails): string[] {
  if (snapshotsInfo === null) return [];
  const provider = snapshotsInfo.get('provider');
  const rows: Row[] = [['provider', plainText(provider)], ...dictRows(dictAt(snapshotsInfo, 'provider_info'))];
  const snapshots = snapshotsInfo.get('snapshots');
  const disks = Array.isArray(snapshots) ? snapshots.filter(isDict) : [];
  return [...section('Snapshot information', rows), ...disks.flatMap((disk) => [...rowLines(snapshotRows(disk)), ''])];
}

function snapshotRows(disk: PythonDict): readonly Row[] {
  const mount = dictAt(disk, 'mount');
  return [
    ...dictRows(dictAt(disk, 'provider')).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    ['Mount point', plainText(mount.get('mount_point'))],
    ['Mount options', plainText(mount.get('mount_options'))],
  ];
}

/** Where the tablespaces were. */
export function tablespaceSection({ backup: { tablespaces } }: BackupDetails): string[] {
  const rows = (tablespaces ?? []).map(({ name, oid, location }): Row => [name, `${location} (oid: ${String(oid)})`]);
  return section('Tablespaces', rows);
}

/** The copy itself. */
export function baseBackupSection(details: BackupDetails): string[] {
  const { backup, type, wal } = details;
  return section('Base backup information', [
    ['Backup Method', backup.mode],
    ['Encryption', backup.encryption],
    ['Backup Type', backup.mode === 'postgres' ? type : undefined],
    ['Backup Size', backupSize(details)],
    ['Backup Compression', backup.compression === 'none' ? undefined : backup.compression],
    ['WAL Size', wal.neededBytes > 0 ? formatSize(wal.neededBytes) : undefined],
    ['Resources saved', savedText(details)],
    ['Timeline', wordOf(backup.timeline)],
    ['Begin WAL', wordOf(backup.beginWal)],
    ['End WAL', wordOf(backup.endWal)],
    ['Number of WALs', wal.neededCount > 0 ? wal.neededCount : undefined],
    ['WAL compression ratio', wal.neededRatio > 0 ? formatRatio(wal.neededRatio) : undefined],
    ['Begin time', backup.beginTime === null ? 'None' : formatLongTime(backup.beginTime)],
    ['End time', backup.endTime === null ? 'None' : formatLongTime(backup.endTime)],
    ['Copy time', copyTime(details)],
    ['Estimated throughput', throughput(details)],
    ['Begin Offset', wordOf(backup.beginOffset)],
    ['End Offset', wordOf(backup.endOffset)],
    ['Begin LSN', backup.beginXlog === null ? 'None' : formatLsn(backup.beginXlog)],
    ['End LSN', backup.endXlog === null ? 'None' : formatLsn(backup.endXlog)],
  ]);
}

function backupSize({ backup, wal }: BackupDetails): string | undefined {
  const size = positive(backup.deduplicatedSize);
  if (size === undefined) return undefined;
  return wal.neededBytes > 0 ? `${formatSize(size)} (${formatSize(size + wal.neededBytes)} with WALs)` : formatSize(size);
}

function savedText(details: BackupDetails): string | undefined {
  const saved = resourcesSaved(details);
  return saved === undefined ? undefined : `${formatSize(saved.bytes)} (${formatRatio(saved.ratio)})`;
}

function copyTime({ backup }: BackupDetails): string | undefined {
  const seconds = copyStatistic(backup, 'copy_time');
  if (seconds <= 0) return undefined;
  const analysis = copyStatistic(backup, 'analysis_time');
  return `${formatInterval(seconds)}${analysis >= 1 ? ` + ${formatInterval(analysis)} startup` : ''}`;
}

function throughput({ backup }: BackupDetails): string | undefined {
  const seconds = copyStatistic(backup, 'copy_time');
  const size = positive(backup.deduplicatedSize);
  if (seconds <= 0 || size === undefined) return undefined;
  const jobs = copyStatistic(backup, 'number_of_workers');
  return `${formatSize(size / seconds)}/s${jobs > 1 ? ` (${String(jobs)} jobs)` : ''}`;
}

/** The WAL that follows the backup. */
export function walSection({ wal, childTimelines }: BackupDetails): string[] {
  return section('WAL information', [
    ['Number of files', wal.laterCount],
    ['Disk usage', formatSize(wal.laterBytes)],
    ['WAL rate', wal.perSecond === undefined ? undefined : hourlyRate(wal.perSecond)],
    ['Compression ratio', wal.laterRatio > 0 ? formatRatio(wal.laterRatio) : undefined],
    ['Last available', wordOf(wal.last)],
    ['Reachable timelines', childTimelines.length === 0 ? undefined : childTimelines.join(', ')],
  ]);
}

/** `75.00/hour` of a rate per second. */
export function hourlyRate(perSecond: number): string {
  return `${formatFixed(perSecond * 3600, 2)}/hour`;
}

/** Where the backup stands in the catalog: the last section, which no empty line ends. */
export function catalogSection(details: BackupDetails): string[] {
  const { previous, next } = neighbourTexts(details);
  const rows: readonly Row[] = [
    ['Retention Policy', details.retention],
    ['Previous Backup', previous],
    ['Next Backup', next],
  ];
  return ['  Catalog information:', ...rowLines(rows)];
}

/** The neighbours, or what is said instead of one. */
export function neighbourTexts({ previousId, nextId }: BackupDetails): { readonly previous: string; readonly next: string } {
  return {
    previous: previousId ?? '- (this is the oldest base backup)',
    next: nextId ?? '- (this is the latest base backup)',
  };
}

/** The chain that an incremental backup belongs to, and the backups that build on this one. */
export function familyRows({ backup, chain }: BackupDetails): string[] {
  const children = backup.mode === 'postgres' ? (backup.childrenBackupIds ?? []) : [];
  return rowLines([
    ['Root Backup', chain?.rootId],
    ['Parent Backup', chain?.parentId],
    ['Backup chain size', chain?.length],
    ['Children Backup(s)', children.length === 0 ? undefined : children.join(',')],
  ]);
}

function section(title: string, rows: readonly Row[]): string[] {
  const lines = rowLines(rows);
  return lines.length === 0 ? [] : [`  ${title}:`, ...lines, ''];
}

function rowLines(rows: readonly Row[]): string[] {
  return withValue(rows).map(([label, value]) => `    ${label.padEnd(21)}: ${value}`);
}

function withValue(rows: readonly Row[]): (readonly [string, string])[] {
  return rows.flatMap(([label, value]) => (value === null || value === undefined ? [] : [[label, String(value)] as const]));
}

function dictAt(dict: PythonDict, key: string): PythonDict {
  const found = dict.get(key);
  return isDict(found) ? found : new Map();
}

function dictRows(dict: PythonDict): Row[] {
  return [...dict].map(([key, value]): Row => [key, plainText(value)]);
}

function plainText(value: PythonValue | undefined): string {
  if (value === undefined || value === null) return 'None';
  const json = jsonOfPython(value);
  return typeof json === 'string' ? json : JSON.stringify(json);
}
