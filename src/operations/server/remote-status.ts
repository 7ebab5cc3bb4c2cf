import { methodOf } from '../../config/backup-methods.ts';
import { nodesOf } from '../../config/nodes-of-server.ts';
import type { Server } from '../../config/server.ts';
import { shortAnswerMs } from '../../postgres/answering-within.ts';
import { type ClientProgramName, findClientProgram, isCompatible } from '../../postgres/client-programs.ts';
import type { Connection } from '../../postgres/connect.ts';
import { mayWaitFor } from '../../postgres/may-wait-for.ts';
import { parseStandbyNames } from '../../postgres/parse-standby-names.ts';
import { identifySystem } from '../../postgres/replication-commands.ts';
import type { ServerNodes } from '../../postgres/server-nodes.ts';
import {
  type ReplicationSlot,
  readArchiverStatistics,
  readClusterSize,
  readCurrentPosition,
  readIncludedFiles,
  readIsInRecovery,
  readPrivileges,
  readReplicationSlot,
  readSegmentSize,
  readServerVersion,
  readSetting,
  readSystemId,
} from '../../postgres/server-queries.ts';
import type { Context } from '../../shared/context.ts';
import { joined } from '../../shared/messages.ts';
import { messageOf, OperatorError } from '../../shared/operator-error.ts';
import { formatLsn } from '../../wal/lsn.ts';
import { plain, type ServerFact } from '../reports/server-reports.ts';

type Values = Record<string, ServerFact>;

const oldestServer = 90_600;
const slotsSince = 90_400;

/** The live state of a server as `show-servers` prints it (docs/reference/cli.md section 6.4); what cannot be asked is `None`. */
export async function readRemoteStatus(server: Server, context: Pick<Context, 'signal'>): Promise<Readonly<Values>> {
  const values: Values = {};
  const nodes = nodesOf(server);
  const version = await addQueried(server, { nodes, values }, context);
  await addStreaming(server, { nodes, values }, context);
  const { options } = server.config;
  if (methodOf(options).streams) {
    const isInstalled = await addProgram('pg_basebackup', { server, version, values, prefix: 'pg_basebackup' });
    values['pg_basebackup_bwlimit'] = plain(isInstalled || undefined);
    values['pg_basebackup_tbls_mapping'] = plain(isInstalled || undefined);
  }
  if (options.streaming_archiver) {
    await addProgram('pg_receivewal', { server, version, values, prefix: 'pg_receivexlog' });
    values['pg_receivexlog_supports_slots'] = values['pg_receivexlog_compatible'] ?? plain(undefined);
    values['pg_receivexlog_synchronous'] ??= plain(undefined);
  }
  return values;
}

interface Asked {
  readonly nodes: ServerNodes;
  readonly values: Values;
}

async function addQueried(
  server: Server,
  { nodes, values }: Asked,
  { signal }: Pick<Context, 'signal'>,
): Promise<number | undefined> {
  const { conninfo, archiver } = server.config.options;
  if (archiver) Object.assign(values, unknown(['archive_command', 'archive_mode']));
  if (conninfo === undefined) return undefined;
  try {
    await using connection = await nodes.queries(signal, shortAnswerMs);
    return await addFromConnection(server, connection, values);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    values['connection_error'] = plain(joined(error.asBarman ?? messageOf(error)));
    Object.assign(values, unknown(unknownWhenDown));
    return undefined;
  }
}

/** Keys that are shown even when nobody can be asked. */
const unknownWhenDown = [
  'current_xlog',
  'data_directory',
  'is_in_recovery',
  'is_superuser',
  'postgres_systemid',
  'replication_slot',
  'replication_slot_support',
  'server_txt_version',
  'synchronous_standby_names',
  'version_supported',
] as const;

function unknown(keys: readonly string[]): Values {
  return Object.fromEntries(keys.map((key) => [key, plain(undefined)]));
}

async function addFromConnection(server: Server, connection: Connection, values: Values): Promise<number> {
  const version = await readServerVersion(connection);
  const privileges = await readPrivileges(connection, version.number);
  const isInRecovery = await readIsInRecovery(connection);
  const setting = async (name: string): Promise<ServerFact> => plain(await readSetting(connection, name));
  const standbyNames = parseStandbyNames((await readSetting(connection, 'synchronous_standby_names')) ?? '');
  const { slot_name: slotName, streaming_archiver: isStreaming } = server.config.options;
  Object.assign(values, {
    replication_slot: plain(undefined),
    server_txt_version: plain(version.text),
    version_supported: plain(version.number >= oldestServer),
    is_superuser: plain(privileges.isSuperuser),
    has_backup_privileges: plain(privileges.canBackUp),
    has_monitoring_privileges: plain(privileges.canMonitor),
    is_in_recovery: plain(isInRecovery),
    current_size: { kind: 'decimal', value: await readClusterSize(connection) },
    postgres_systemid: plain(await readSystemId(connection)),
    xlog_segment_size: plain(await readSegmentSize(connection)),
    replication_slot_support: plain(version.number >= slotsSince),
    archive_timeout: plain(secondsOf(await readSetting(connection, 'archive_timeout'))),
    checkpoint_timeout: plain(secondsOf(await readSetting(connection, 'checkpoint_timeout'))),
    synchronous_standby_names: plain(standbyNames.length === 0 ? [''] : standbyNames),
  } satisfies Values);
  for (const name of [
    'config_file',
    'data_checksums',
    'data_directory',
    'hba_file',
    'hot_standby',
    'ident_file',
    'max_replication_slots',
    'max_wal_senders',
    'wal_compression',
    'wal_level',
  ]) {
    values[name] = await setting(name);
  }
  const keepName = version.number >= 130_000 ? 'wal_keep_size' : 'wal_keep_segments';
  values[keepName] = await setting(keepName);
  const included = await readIncludedFiles(connection);
  if (included.length > 0) values['included_files'] = plain(included);
  if (slotName !== undefined) {
    const slot = await readReplicationSlot(connection, slotName);
    values['replication_slot'] = slot === undefined ? plain(undefined) : slotFact(slot);
  }
  const position = await readCurrentPosition(connection);
  values['current_lsn'] = plain(formatLsn(position.lsn));
  values['current_xlog'] = plain(position.segment);
  if (isStreaming)
    values['pg_receivexlog_synchronous'] = plain(mayWaitFor(server.config.options.streaming_archiver_name, standbyNames));
  if (server.config.options.archiver) await addArchiver(connection, { version: version.number, values });
  return version.number;
}

/** EXTRACT gives a numeric since that version, which Barman prints in all its digits and as a text in JSON. */
const numericExtractSince = 140_000;

async function addArchiver(
  connection: Connection,
  { version, values }: { readonly version: number; readonly values: Values },
): Promise<void> {
  const statistics = await readArchiverStatistics(connection);
  const { archivedPerSecond: rate } = statistics;
  Object.assign(values, {
    archive_command: plain(await readSetting(connection, 'archive_command')),
    archive_mode: plain(await readSetting(connection, 'archive_mode')),
    archived_count: plain(statistics.archivedCount),
    current_archived_wals_per_second:
      rate === undefined || version >= numericExtractSince
        ? { kind: 'decimal', value: rate }
        : { kind: 'float', value: Number(rate) },
    failed_count: plain(statistics.failedCount),
    is_archiving: plain(statistics.isArchiving),
    last_archived_time: { kind: 'time', time: statistics.lastArchivedTime },
    last_archived_wal: plain(statistics.lastArchivedWal),
    last_failed_time: { kind: 'time', time: statistics.lastFailedTime },
    last_failed_wal: plain(statistics.lastFailedWal),
    stats_reset: { kind: 'time', time: statistics.statsReset },
  } satisfies Values);
}

async function addStreaming(server: Server, { nodes, values }: Asked, { signal }: Pick<Context, 'signal'>): Promise<void> {
  const { options } = server.config;
  const { streaming_conninfo: conninfo } = options;
  if (conninfo === undefined || (!methodOf(options).streams && !options.streaming_archiver)) return;
  values['streaming_supported'] = plain(true);
  try {
    await using connection = await nodes.replication('barman', signal);
    const { systemid, timeline, position } = await identifySystem(connection);
    values['connection_error'] ??= plain(undefined);
    values['streaming'] = plain(true);
    values['streaming_systemid'] = plain(systemid);
    values['timeline'] = plain(timeline);
    values['xlogpos'] = plain(position === undefined ? undefined : formatLsn(position));
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    Object.assign(values, unknown(['streaming', 'streaming_supported', 'streaming_systemid', 'timeline', 'xlogpos']));
    values['connection_error'] ??= plain(joined(error.asBarman ?? messageOf(error)));
  }
}

interface ProgramQuestion {
  readonly server: Server;
  readonly version: number | undefined;
  readonly values: Values;
  readonly prefix: string;
}

/** @returns whether it is installed */
async function addProgram(name: ClientProgramName, { server, version, values, prefix }: ProgramQuestion): Promise<boolean> {
  const { programPath: path, environment } = server;
  const program = await findClientProgram(name, { path, environment, serverVersion: version ?? 0 });
  values[`${prefix}_installed`] = plain(program !== undefined);
  values[`${prefix}_path`] = plain(program?.path);
  values[`${prefix}_version`] = plain(program?.versionText);
  values[`${prefix}_compatible`] = plain(
    program === undefined || version === undefined ? undefined : isCompatible(program, version),
  );
  return program !== undefined;
}

function slotFact({ name, isActive, restartLsn }: ReplicationSlot): ServerFact {
  return { kind: 'slot', name, isActive, restartLsn };
}

/** `5min`, `30s`, `0`: settings with a unit, in seconds. */
function secondsOf(text: string | undefined): number | undefined {
  const [, count, unit = 's'] = /^(\d+)(ms|s|min|h|d)?$/.exec(text ?? '') ?? [];
  const factor = { ms: 0.001, s: 1, min: 60, h: 3_600, d: 86_400 }[unit];
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}
