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
import { headingOf } from '../listing/list-servers.ts';
import type { CatalogStatus, ClusterStatus, PostgresStatus, ServerStatus } from '../reports/server-reports.ts';
import { readContinuityStatus } from '../wal/continuity-status.ts';
import { lossText } from './read-cluster-trouble.ts';

/** The state of a server, and what can be recovered (docs/reference/cli.md section 6.5). */
export async function readServerStatus(server: Server, context: Context): Promise<ServerStatus> {
  const { config, layout } = server;
  const postgres = config.isActive && !config.isPassive ? await postgresStatus(server, context) : undefined;
  const { backups, broken } = await readBackupRecords(layout);
  for (const { reason } of broken) context.messages.error(reason.message);
  const stuck = await findStuckWal(server, context.clock.now());
  return {
    ...headingOf(config),
    description: config.options.description,
    activeModel: config.activeModel,
    postgres,
    catalog: catalogStatus(server, backups),
    primarySshCommand: config.options.primary_ssh_command,
    stuckWal: stuck.length === 0 ? undefined : describeStuckWal(stuck),
    continuity: await readContinuityStatus(server, backups, context),
    cluster: await clusterStatus(server),
  };
}

async function clusterStatus(server: Server): Promise<ClusterStatus | undefined> {
  if (clusterSourceOf(server) === 'off') return undefined;
  const { followed } = readRememberedCluster(server.layout);
  const switches = await readSwitches(server.layout);
  return { followed, switchCount: switches.length, losses: switches.filter(isUnacknowledged).map(lossText) };
}

async function postgresStatus(server: Server, { signal }: Context): Promise<ServerStatus['postgres']> {
  try {
    await using connection = await nodesOf(server).queries(signal, shortAnswerMs);
    return await askPostgres(server, connection);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return 'unreachable';
  }
}

async function askPostgres(server: Server, connection: Connection): Promise<PostgresStatus> {
  const { text: version } = await readServerVersion(connection);
  const isInRecovery = await readIsInRecovery(connection);
  return {
    version,
    isInRecovery,
    sizeBytes: await readClusterSize(connection),
    dataDirectory: await readSetting(connection, 'data_directory'),
    currentSegment: isInRecovery ? undefined : (await readCurrentPosition(connection)).segment,
    archiver: server.config.options.archiver
      ? {
          command: await readSetting(connection, 'archive_command'),
          statistics: await readArchiverStatistics(connection),
        }
      : undefined,
  };
}

function catalogStatus({ config }: Server, backups: readonly Backup[]): CatalogStatus {
  const { retention, options } = config;
  const usable = backups.filter(isCopyDone);
  const done = backups.filter(({ status }) => status === 'DONE');
  return {
    retentionPolicy: retention.kind === 'enforced' ? formatRetentionPolicy(retention.policy) : undefined,
    doneCount: done.length,
    firstBackup: usable[0]?.id,
    lastBackup: usable.at(-1)?.id,
    redundancy: done.filter((backup) => backupTypeOf(backup) !== 'incremental').length,
    minimumRedundancy: options.minimum_redundancy,
  };
}
