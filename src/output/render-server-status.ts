import type { LastTransaction } from '../catalog/wal/last-transaction.ts';
import type {
  CatalogStatus,
  ClusterStatus,
  ContinuityStatus,
  PostgresStatus,
  RecoveryWindow,
  ServerStatus,
} from '../operations/reports/server-reports.ts';
import type { ArchiverStatistics } from '../postgres/server-queries.ts';
import type { JsonObject } from '../shared/format-json.ts';
import { formatCTime, formatLongTime, timestampFromEpoch } from '../shared/timestamp.ts';
import { formatSize } from '../shared/units.ts';
import { type SegmentName, timelineOf } from '../wal/wal-name.ts';
import { shown, wordOf } from './python-words.ts';
import type { Report } from './report.ts';

/** One line: key in JSON, label for people, message for both. */
type Item = readonly [key: string, label: string, message: string];

/** `status` of one server, also `keep --status` (docs/reference/cli.md sections 6.5, 8.3 and 12). */
export function renderServerStatus(status: ServerStatus): Report {
  const { name } = status;
  const [items, own] = [barmanItems(status), [...continuityItems(status.continuity), ...clusterItems(status.cluster)]];
  return {
    lines: [`Server ${name}:`, ...linesOf(items)],
    json: { [name]: jsonOf(items) },
    ...(own.length === 0 ? {} : { own: { lines: linesOf(own), json: { [name]: jsonOf(own) } } }),
  };
}

function linesOf(items: readonly Item[]): readonly string[] {
  return items.map(([, label, message]) => `\t${label}: ${message}`);
}

function jsonOf(items: readonly Item[]): JsonObject {
  return Object.fromEntries(items.map(([key, label, message]) => [key, { description: label, message }]));
}

function barmanItems(status: ServerStatus): readonly Item[] {
  const { description, activeModel, postgres, catalog, primarySshCommand, stuckWal } = status;
  return [
    ...given('description', 'Description', description),
    ['active', 'Active', shown(status.isActive).text],
    ['disabled', 'Disabled', shown(status.isDisabled).text],
    ['active_model', 'Active configuration model', wordOf(activeModel)],
    ...(postgres === undefined ? [] : postgresItems(postgres)),
    ['passive_node', 'Passive node', shown(status.isPassive).text],
    ...catalogItems(catalog),
    ...given('primary_ssh_command', 'SSH command to primary server', primarySshCommand),
    ...given('stuck_wal_arrivals', 'WAL that waits to be archived', stuckWal), // what is wrong is shown under every name
  ];
}

function given(key: string, label: string, message: string | undefined): readonly Item[] {
  return message === undefined ? [] : [[key, label, message]];
}

function postgresItems(postgres: PostgresStatus | 'unreachable'): readonly Item[] {
  if (postgres === 'unreachable') return [['pg_version', 'PostgreSQL version', 'FAILED trying to get PostgreSQL version']];
  const { version, isInRecovery, sizeBytes, dataDirectory, currentSegment, archiver } = postgres;
  return [
    ['pg_version', 'PostgreSQL version', version],
    ['is_in_recovery', 'Cluster state', isInRecovery ? 'in archive recovery' : 'in production'],
    ...given('current_size', 'Current data size', sizeBytes === undefined ? undefined : formatSize(sizeBytes)),
    ...given('data_directory', 'PostgreSQL Data directory', dataDirectory),
    ...given('current_xlog', 'Current WAL segment', currentSegment),
    ...(archiver === undefined ? [] : archiverItems(archiver.command, archiver.statistics)),
  ];
}

function archiverItems(command: string | undefined, statistics: ArchiverStatistics): readonly Item[] {
  const { lastArchivedWal, lastArchivedTime, failedCount, lastFailedWal, lastFailedTime, archivedPerSecond } = statistics;
  const isMissing = command === undefined || command === '' || command === '(disabled)';
  const archived =
    lastArchivedWal === undefined || lastArchivedTime === undefined
      ? 'No WAL segment shipped yet'
      : `${lastArchivedWal}, at ${formatCTime(lastArchivedTime)}`;
  const failed =
    lastFailedWal === undefined || lastFailedTime === undefined ? '' : ` (${lastFailedWal} at ${formatCTime(lastFailedTime)})`;
  const hourly = Number(archivedPerSecond ?? 0) * 3600;
  return [
    [
      'archive_command',
      "PostgreSQL 'archive_command' setting",
      isMissing ? 'FAILED (please set it accordingly to documentation)' : command,
    ],
    ['last_archived_wal', 'Last archived WAL', archived],
    ['failed_count', 'Failures of WAL archiver', `${String(failedCount)}${failedCount > 0 ? failed : ''}`],
    ...given(
      'server_archived_wals_per_hour',
      'Server WAL archiving rate',
      hourly > 0 ? `${hourly.toFixed(2)}/hour` : undefined,
    ),
  ];
}

function catalogItems(catalog: CatalogStatus): readonly Item[] {
  const { retentionPolicy: policy, doneCount, firstBackup, lastBackup, redundancy, minimumRedundancy } = catalog;
  const verdict = redundancy < minimumRedundancy ? 'FAILED' : 'satisfied';
  return [
    [
      'retention_policies',
      'Retention policies',
      policy === undefined ? 'not enforced' : `enforced (mode: auto, retention: ${policy}, WAL retention: MAIN)`,
    ],
    ['backups_number', 'No. of available backups', String(doneCount)],
    ['first_backup', 'First available backup', wordOf(firstBackup)],
    ['last_backup', 'Last available backup', wordOf(lastBackup)],
    [
      'minimum_redundancy',
      'Minimum redundancy requirements',
      `${verdict} (${String(redundancy)}/${String(minimumRedundancy)})`,
    ],
  ];
}

/**
 * The keys without a timeline are about the whole server; where backups of several timelines are there, each has its own, too.
 */
function continuityItems(continuity: ContinuityStatus): readonly Item[] {
  if (continuity.kind === 'none') return [];
  if (continuity.kind === 'unknown') return [['wal_holes', 'WAL holes', `unknown (${continuity.reason})`]];
  const { whole, windows, transactions, holes, waitingCount, unreadable, lost } = continuity;
  const waiting = waitingCount === 0 ? '' : ` (missing but waiting to be archived: ${String(waitingCount)})`;
  const timelines = windows.length < 2 ? [] : windows;
  return [
    ...windowItems(whole, { key: '', label: '' }, transactions),
    ...timelines.flatMap((window) => {
      const timeline = String(window.timeline);
      return windowItems(window, { key: `_timeline_${timeline}`, label: ` on timeline ${timeline}` }, transactions);
    }),
    ['wal_holes', 'WAL holes', `${holes.length === 0 ? 'none' : String(holes.length)}${waiting}`],
    ...holes.map((hole, position): Item => {
      const number = String(position + 1);
      return [`wal_hole_${number}`, `WAL hole ${number}`, hole];
    }),
    ...unreadable.map(
      ({ name, reason }): Item => [
        `unreadable_history_${String(timelineOf(name))}`,
        `History of timeline ${String(timelineOf(name))}`,
        `cannot be read, so that its windows and holes are not known (${reason})`,
      ],
    ),
    ...given(
      'wal_files_lost',
      'WAL files lost',
      lost && `${String(lost.count)} in the index and not in the archive, from ${lost.first} to ${lost.last}`,
    ),
  ];
}

type LastTransactions = ReadonlyMap<SegmentName, LastTransaction>;

function windowItems(
  window: RecoveryWindow | undefined,
  suffix: { readonly key: string; readonly label: string },
  transactions: LastTransactions,
): readonly Item[] {
  return [
    [`recoverable_from${suffix.key}`, `Recoverable from${suffix.label}`, fromText(window)],
    [`recoverable_to${suffix.key}`, `Recoverable to${suffix.label}`, endText(window, transactions)],
  ];
}

function fromText(window: RecoveryWindow | undefined): string {
  if (window === undefined) return 'None';
  const { time, backupId } = window.from;
  return `${time === null ? 'unknown time' : formatLongTime(time)} (backup ${backupId})`;
}

/** The end of the last transaction: a later time is no target that recovery can reach. Where WAL cannot be read, the time at which it arrived. */
export function endText(window: RecoveryWindow | undefined, transactions: LastTransactions): string {
  if (window === undefined) return 'None';
  const { time, segment } = window.to;
  const last = transactions.get(segment);
  if (last?.kind === 'known') {
    const end = { ...timestampFromEpoch(Number(last.endMicros) / 1e6), epochMicros: last.endMicros };
    return `${formatLongTime(end)} (last WAL ${segment})`;
  }
  const arrival = time === undefined ? 'unknown time' : formatLongTime(timestampFromEpoch(time));
  return `${arrival} (last WAL ${segment}, which arrived then)`;
}

function clusterItems(cluster: ClusterStatus | undefined): readonly Item[] {
  if (cluster === undefined) return [];
  const { followed, switchCount, losses } = cluster;
  const since = followed === undefined ? '' : formatLongTime(timestampFromEpoch(followed.since.getTime() / 1000));
  return [
    [
      'cluster_primary',
      'Primary followed',
      followed === undefined ? 'None' : `${followed.name}, on timeline ${String(followed.timeline)} (since ${since})`,
    ],
    ['cluster_switches', 'Changes of the primary', String(switchCount)],
    ['cluster_losses', 'Losses not acknowledged', losses.length === 0 ? 'none' : losses.join('; ')],
  ];
}
