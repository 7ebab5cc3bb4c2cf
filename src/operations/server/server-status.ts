import { type Backup, backupTypeOf, isCopyDone } from '../../catalog/backups/backup.ts';
import { readBackupRecords } from '../../catalog/backups/backup-records.ts';
import { describeStuckWal, findStuckWal } from '../../check/stuck-wal.ts';
import { clusterSourceOf } from '../../cluster/cluster-source.ts';
import { readRememberedCluster } from '../../cluster/remembered-cluster.ts';
import { isUnacknowledged, readSwitches } from '../../cluster/switch-records.ts';
import { nodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { shortAnswerMs } from '../../postgres/answering-within.ts';
import type { Connection } from '../../postgres/connect.ts';
import {
  readArchiverStatistics,
  readClusterSize,
  readCurrentPosition,
  readIsInRecovery,
  readServerVersion,
  readSetting,
} from '../../postgres/server-queries.ts';
import { formatRetentionPolicy } from '../../retention/retention-policy.ts';
import type { Context } from '../../shared/context.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { formatCTime, formatLongTime, timestampFromEpoch } from '../../shared/timestamp.ts';
import { formatSize } from '../../shared/units.ts';
import type { ServerStatus, StatusItem } from '../reports/server-reports.ts';
import { continuityItems } from '../wal/continuity-items.ts';
import { lossText } from './read-cluster-trouble.ts';

/** The state of a server in labelled lines (docs/reference/cli.md section 6.5), then what we know beyond Barman. */
export async function readServerStatus(server: Server, context: Context): Promise<ServerStatus> {
  const { config } = server;
  const items: StatusItem[] = [];
  const add = (key: string, label: string, message: string): void => {
    items.push({ key, label, message });
  };
  if (config.options.description !== undefined) add('description', 'Description', config.options.description);
  add('active', 'Active', pythonBoolean(config.isActive));
  add('disabled', 'Disabled', pythonBoolean(config.problems.length > 0));
  add('active_model', 'Active configuration model', config.activeModel ?? 'None');
  if (config.isActive && !config.isPassive) items.push(...(await postgresItems(server, context)));
  add('passive_node', 'Passive node', pythonBoolean(config.isPassive));
  const { backups, broken } = await readBackupRecords(server.layout);
  for (const { reason } of broken) context.messages.error(reason.message);
  items.push(...catalogItems(server, backups));
  if (config.options.primary_ssh_command !== undefined)
    add('primary_ssh_command', 'SSH command to primary server', config.options.primary_ssh_command);
  const stuck = await findStuckWal(server, context.clock.now());
  // a mistake is shown under every name
  if (stuck.length > 0) add('stuck_wal_arrivals', 'WAL that waits to be archived', describeStuckWal(stuck));
  const own = [...(await continuityItems(server, backups, context)), ...(await clusterItems(server))];
  return { name: config.name, items, own };
}

/** Which node of a cluster is followed, and what its switches have cost. */
async function clusterItems(server: Server): Promise<readonly StatusItem[]> {
  if (clusterSourceOf(server) === 'off') return [];
  const { followed } = readRememberedCluster(server.layout);
  const switches = await readSwitches(server.layout);
  const losses = switches.filter(isUnacknowledged);
  const since = followed === undefined ? '' : formatLongTime(timestampFromEpoch(followed.since.getTime() / 1000));
  return [
    {
      key: 'cluster_primary',
      label: 'Primary followed',
      message: followed === undefined ? 'None' : `${followed.name}, on timeline ${String(followed.timeline)} (since ${since})`,
    },
    { key: 'cluster_switches', label: 'Changes of the primary', message: String(switches.length) },
    {
      key: 'cluster_losses',
      label: 'Losses not acknowledged',
      message: losses.length === 0 ? 'none' : losses.map(lossText).join('; '),
    },
  ];
}

async function postgresItems(server: Server, { signal }: Context): Promise<StatusItem[]> {
  try {
    await using connection = await nodesOf(server).queries(signal, shortAnswerMs);
    return await queriedItems(server, connection);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return [{ key: 'pg_version', label: 'PostgreSQL version', message: 'FAILED trying to get PostgreSQL version' }];
  }
}

async function queriedItems(server: Server, connection: Connection): Promise<StatusItem[]> {
  const items: StatusItem[] = [];
  const add = (key: string, label: string, message: string | undefined): void => {
    if (message !== undefined) items.push({ key, label, message });
  };
  add('pg_version', 'PostgreSQL version', (await readServerVersion(connection)).text);
  const isInRecovery = await readIsInRecovery(connection);
  add('is_in_recovery', 'Cluster state', isInRecovery ? 'in archive recovery' : 'in production');
  const size = await readClusterSize(connection);
  add('current_size', 'Current data size', size === undefined ? undefined : formatSize(size));
  add('data_directory', 'PostgreSQL Data directory', await readSetting(connection, 'data_directory'));
  if (!isInRecovery) add('current_xlog', 'Current WAL segment', (await readCurrentPosition(connection)).segment);
  if (server.config.options.archiver) items.push(...(await archiverItems(connection)));
  return items;
}

async function archiverItems(connection: Connection): Promise<StatusItem[]> {
  const command = await readSetting(connection, 'archive_command');
  const statistics = await readArchiverStatistics(connection);
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
    {
      key: 'archive_command',
      label: "PostgreSQL 'archive_command' setting",
      message: isMissing ? 'FAILED (please set it accordingly to documentation)' : command,
    },
    { key: 'last_archived_wal', label: 'Last archived WAL', message: archived },
    {
      key: 'failed_count',
      label: 'Failures of WAL archiver',
      message: `${String(failedCount)}${failedCount > 0 ? failed : ''}`,
    },
    ...(hourly > 0
      ? [{ key: 'server_archived_wals_per_hour', label: 'Server WAL archiving rate', message: `${hourly.toFixed(2)}/hour` }]
      : []),
  ];
}

function catalogItems(server: Server, backups: readonly Backup[]): StatusItem[] {
  const { retention, options } = server.config;
  const usable = backups.filter(isCopyDone);
  const done = backups.filter(({ status }) => status === 'DONE');
  const redundant = done.filter(isNotIncremental).length;
  const policy =
    retention.kind === 'enforced'
      ? `enforced (mode: auto, retention: ${formatRetentionPolicy(retention.policy)}, WAL retention: MAIN)`
      : 'not enforced';
  const verdict = redundant < options.minimum_redundancy ? 'FAILED' : 'satisfied';
  return [
    { key: 'retention_policies', label: 'Retention policies', message: policy },
    { key: 'backups_number', label: 'No. of available backups', message: String(done.length) },
    { key: 'first_backup', label: 'First available backup', message: usable[0]?.id ?? 'None' },
    { key: 'last_backup', label: 'Last available backup', message: usable.at(-1)?.id ?? 'None' },
    {
      key: 'minimum_redundancy',
      label: 'Minimum redundancy requirements',
      message: `${verdict} (${String(redundant)}/${String(options.minimum_redundancy)})`,
    },
  ];
}

function isNotIncremental(backup: Backup): boolean {
  return backupTypeOf(backup) !== 'incremental';
}

function pythonBoolean(value: boolean): string {
  return value ? 'True' : 'False';
}
