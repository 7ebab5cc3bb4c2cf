import { OperatorError } from '../shared/operator-error.ts';
import { parseTimestamp, type Timestamp } from '../shared/timestamp.ts';
import { formatLsn, type Lsn, lsnFromBytes, parseLsn } from '../wal/lsn.ts';
import { isSegmentSize, parseSegmentName, type SegmentName, segmentAtLsn, timelineOf } from '../wal/wal-name.ts';
import type { Connection, Row } from './connect.ts';
import { sqlStateOf } from './connection-failure.ts';

/** Version of a server: `150018` and `15.18 (Debian …)`. */
export interface ServerVersion {
  readonly number: number;
  readonly text: string;
}

/** Position in the WAL stream with the instant at which the server told it. */
export interface CurrentPosition {
  readonly lsn: Lsn;
  /** Segment of that position; undefined on a standby, which has no name for it. */
  readonly segment: SegmentName | undefined;
  readonly offset: number;
  readonly time: Timestamp;
}

/** Where a role stands (docs/reference/engine.md section 1.2). */
export interface Privileges {
  readonly isSuperuser: boolean;
  readonly canBackUp: boolean;
  readonly canMonitor: boolean;
  readonly canCheckpoint: boolean;
}

export interface ReplicationSlot {
  readonly name: string;
  readonly isActive: boolean;
  readonly restartLsn: Lsn | undefined;
  /** `lost` when WAL that it needs is gone, `unreserved` when the next checkpoint may remove it; undefined below PostgreSQL 13. */
  readonly walStatus: string | undefined;
}

/** `pg_stat_archiver`. */
export interface ArchiverStatistics {
  readonly archivedCount: number;
  readonly lastArchivedWal: string | undefined;
  readonly lastArchivedTime: Timestamp | undefined;
  readonly failedCount: number;
  readonly lastFailedWal: string | undefined;
  readonly lastFailedTime: Timestamp | undefined;
  readonly statsReset: Timestamp | undefined;
  readonly isArchiving: boolean;
  /** In PostgreSQL's own digits: a numeric from version 14 on, a double before. */
  readonly archivedPerSecond: string | undefined;
}

/** Privilege, setting or function that is missing on this server or for this role. */
const notAllowed = '42501';
const unknownObject = '42704';

/** The server's version. */
export async function readServerVersion(connection: Connection): Promise<ServerVersion> {
  const row = await single(connection, "SELECT current_setting('server_version_num') AS number, version() AS text");
  return { number: Number(row['number']), text: /PostgreSQL (\S+)/.exec(row['text'] ?? '')?.[1] ?? '' };
}

export async function readIsInRecovery(connection: Connection): Promise<boolean> {
  return (await value(connection, 'SELECT pg_is_in_recovery()')) === 't';
}

/** The process of the server that works for this connection. */
export async function readBackendPid(connection: Connection): Promise<string> {
  return (await value(connection, 'SELECT pg_backend_pid()')) ?? '';
}

/** Ends what another connection of the same role has asked for. */
export async function cancelBackend(connection: Connection, pid: string): Promise<void> {
  await connection.query('SELECT pg_cancel_backend($1::int)', [pid]);
}

/** Whether an exclusive backup is in progress; only for servers older than 15, which have such backups. */
export async function readIsInExclusiveBackup(connection: Connection): Promise<boolean> {
  return (await value(connection, 'SELECT pg_is_in_backup()')) === 't';
}

/** One setting; undefined when the server does not have it or the role may not see it. */
export async function readSetting(connection: Connection, name: string): Promise<string | undefined> {
  try {
    return await value(connection, `SHOW "${name.replaceAll('"', '""')}"`);
  } catch (error) {
    if ([notAllowed, unknownObject].includes(sqlStateOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** WAL segment size in bytes. */
export async function readSegmentSize(connection: Connection): Promise<number> {
  const sql = `SELECT s.setting::bigint * CASE WHEN s.unit = '8kB' OR s.unit IS NULL THEN b.setting::bigint ELSE 1 END
FROM pg_settings s, pg_settings b WHERE s.name = 'wal_segment_size' AND b.name = 'wal_block_size'`;
  const size = Number(await value(connection, sql));
  if (isSegmentSize(size)) return size;
  throw new OperatorError('query-failed', `the server reports WAL segments of ${String(size)} bytes, which is impossible`);
}

/** The cluster's identifier; undefined when the role may not ask. */
export async function readSystemId(connection: Connection): Promise<string | undefined> {
  return await valueIfAllowed(connection, 'SELECT system_identifier::text FROM pg_control_system()');
}

/** Timeline of the last checkpoint. */
export async function readTimeline(connection: Connection): Promise<number | undefined> {
  const text = await valueIfAllowed(connection, 'SELECT timeline_id FROM pg_control_checkpoint()');
  return text === undefined ? undefined : Number(text);
}

/** Bytes of all tablespaces; undefined when the role may not ask. */
export async function readClusterSize(connection: Connection): Promise<number | undefined> {
  // a million files may take a while
  const sql = 'SELECT sum(pg_tablespace_size(oid))::bigint FROM pg_tablespace';
  const text = await valueIfAllowed(connection, sql, 'some-minutes');
  return text === undefined ? undefined : Number(text);
}

/** Those with a place of their own: what lies in `pg_tblspc` itself (`allow_in_place_tablespaces`) is part of the data folder. */
export async function readTablespaces(connection: Connection): Promise<{ name: string; oid: number; location: string }[]> {
  const rows = await connection.query(
    "SELECT spcname AS name, oid, pg_tablespace_location(oid) AS location FROM pg_tablespace WHERE pg_tablespace_location(oid) LIKE '/%' ORDER BY oid",
  );
  return rows.map((row) => {
    const oid = Number(row['oid']);
    const location = row['location'] ?? '';
    if (!Number.isInteger(oid) || oid <= 0 || oid > 0xffffffff || !location.startsWith('/'))
      throw new OperatorError(
        'query-failed',
        `the server reports an impossible tablespace: oid ${String(row['oid'])}, '${location}'`,
      );
    return { name: row['name'] ?? '', oid, location };
  });
}

/** Files that settings come from, besides postgresql.conf itself. */
export async function readIncludedFiles(connection: Connection): Promise<string[]> {
  const rows = await connection.query(
    `SELECT DISTINCT sourcefile FROM pg_settings WHERE sourcefile IS NOT NULL
AND sourcefile NOT IN (SELECT setting FROM pg_settings WHERE name = 'config_file') ORDER BY 1`,
  );
  return rows.map((row) => row['sourcefile'] ?? '');
}

/**
 * Where the server writes now. From version 17 on a position on a boundary belongs to the next segment, whose file may not exist
 * yet: as older servers, we then name the segment that was just filled (docs/reference/engine.md section 1.2).
 */
export async function readCurrentPosition(connection: Connection): Promise<CurrentPosition> {
  const sql = `SELECT lsn, file_name, file_offset, now FROM (
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END AS lsn, clock_timestamp() AS now) p
LEFT JOIN LATERAL (SELECT file_name, file_offset FROM pg_walfile_name_offset(
CASE WHEN pg_is_in_recovery() THEN NULL ELSE p.lsn END)) f ON NOT pg_is_in_recovery()`;
  const row = await single(connection, sql);
  const lsn = parseLsn(row['lsn'] ?? '');
  const time = parseTimestamp(row['now'] ?? '');
  if (lsn === undefined || time === undefined) {
    throw new OperatorError('query-failed', 'the server does not report its WAL position', {
      hint: 'a standby has none until it has replayed WAL',
    });
  }
  const offset = Number(row['file_offset'] ?? 0);
  const name = parseSegmentName(row['file_name'] ?? '');
  const segment = name !== undefined && offset === 0 ? segmentEndingAt(lsn, name, await readSegmentSize(connection)) : name;
  return { lsn, segment, offset, time };
}

/**
 * Closes the current segment; undefined when it held nothing new. At a boundary the insert position is named after the segment before
 * it up to 16, and after the one that begins there from 17 on, so only a change of the name tells (docs/reference/engine.md section 1.2).
 */
export async function switchWal(connection: Connection): Promise<SegmentName | undefined> {
  const before = await value(connection, 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
  const end = parseLsn((await value(connection, 'SELECT pg_switch_wal()')) ?? '');
  const after = await value(connection, 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
  if (before === after) {
    return undefined;
  }
  return end === undefined ? undefined : parseSegmentName(before ?? '');
}

export async function requestCheckpoint(connection: Connection): Promise<void> {
  await connection.query('CHECKPOINT', [], 'as-long-as-it-takes');
}

/**
 * Puts a record into the current segment and flushes it. On an idle server the WAL receiver otherwise keeps the segment before it, not
 * knowing whether it is the last: there is nothing to receive after it.
 */
export async function writeSomething(connection: Connection): Promise<void> {
  await connection.query('SELECT txid_current()'); // a transaction with an id leaves a commit record
}

export async function createRestorePoint(connection: Connection, name: string): Promise<Lsn | undefined> {
  return parseLsn((await value(connection, 'SELECT pg_create_restore_point($1)', [name])) ?? '');
}

export async function readPrivileges(connection: Connection, version: number): Promise<Privileges> {
  const [start, stop] =
    version >= 150_000
      ? ['pg_backup_start(text,bool)', 'pg_backup_stop(bool)']
      : ['pg_start_backup(text,bool,bool)', 'pg_stop_backup(bool,bool)'];
  const functions = [start, stop, 'pg_switch_wal()', 'pg_create_restore_point(text)'];
  const canRun = functions.map((name) => `has_function_privilege(CURRENT_USER, '${name}', 'EXECUTE')`).join(' AND ');
  const checkpointer = version >= 150_000 ? "pg_has_role(CURRENT_USER, 'pg_checkpoint', 'USAGE')" : 'false';
  const row = await single(
    connection,
    `SELECT (SELECT usesuper FROM pg_user WHERE usename = CURRENT_USER) AS is_superuser,
pg_has_role(CURRENT_USER, 'pg_monitor', 'USAGE') OR (pg_has_role(CURRENT_USER, 'pg_read_all_settings', 'USAGE')
AND pg_has_role(CURRENT_USER, 'pg_read_all_stats', 'USAGE')) AS can_monitor,
${canRun} AS can_run, ${checkpointer} AS can_checkpoint`,
  );
  const isSuperuser = row['is_superuser'] === 't';
  const canMonitor = isSuperuser || row['can_monitor'] === 't';
  return {
    isSuperuser,
    canMonitor,
    canBackUp: isSuperuser || (canMonitor && row['can_run'] === 't'),
    canCheckpoint: isSuperuser || row['can_checkpoint'] === 't',
  };
}

/** Name of the role that the connection works as. */
export async function readCurrentRole(connection: Connection): Promise<string> {
  return (await value(connection, 'SELECT CURRENT_USER')) ?? '';
}

/** Where a standby receives its WAL from; undefined when it receives none, and where the role may not see it. */
export async function readSender(
  connection: Connection,
): Promise<{ readonly host: string; readonly port: string } | undefined> {
  const [row] = await connection.query('SELECT sender_host, sender_port FROM pg_stat_wal_receiver');
  const { sender_host: host, sender_port: port } = row ?? {};
  return host == null || port == null ? undefined : { host, port };
}

/** A physical slot; undefined when there is none of that name. */
export async function readReplicationSlot(connection: Connection, name: string): Promise<ReplicationSlot | undefined> {
  const [row] = await connection.query(
    // as JSON: wal_status is there from PostgreSQL 13 on
    "SELECT active, restart_lsn, to_jsonb(s)->>'wal_status' AS wal_status FROM pg_replication_slots s WHERE slot_type = 'physical' AND slot_name = $1",
    [name],
  );
  if (row === undefined) return undefined;
  return {
    name,
    isActive: row['active'] === 't',
    restartLsn: parseLsn(row['restart_lsn'] ?? ''),
    walStatus: row['wal_status'] ?? undefined,
  };
}

/** Lets a slot keep WAL from a position on only; nobody streams from it meanwhile. */
export async function advanceSlot(connection: Connection, name: string, to: Lsn): Promise<void> {
  await connection.query('SELECT pg_replication_slot_advance($1, $2::pg_lsn)', [name, formatLsn(to)]);
}

/** Whether a logical slot has the name, which no receiver can stream from. */
export async function isLogicalSlot(connection: Connection, name: string): Promise<boolean> {
  const sql = "SELECT 1 FROM pg_replication_slots WHERE slot_type = 'logical' AND slot_name = $1";
  return (await connection.query(sql, [name])).length > 0;
}

/** Names of the WAL segments that the server has; undefined when the role may not ask. */
export async function readKeptSegments(connection: Connection): Promise<ReadonlySet<string> | undefined> {
  try {
    const rows = await connection.query("SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'");
    return new Set(rows.map((row) => row['name'] ?? ''));
  } catch (error) {
    if (sqlStateOf(error) === notAllowed) return undefined;
    throw error;
  }
}

const walPieceBytes = 1 << 20;

/** The bytes of a file of pg_wal, in pieces. @throws OperatorError `query-failed` where the role may not read files of the server */
export async function* readWalFile(connection: Connection, name: SegmentName): AsyncGenerator<Buffer> {
  for (let at = 0; ; at += walPieceBytes) {
    const parameters = [`pg_wal/${name}`, String(at), String(walPieceBytes)];
    const [row] = await connection.query("SELECT encode(pg_read_binary_file($1, $2, $3), 'base64') AS piece", parameters);
    const piece = Buffer.from(row?.['piece'] ?? '', 'base64');
    if (piece.length > 0) yield piece;
    if (piece.length < walPieceBytes) return;
  }
}

export async function readArchiverStatistics(connection: Connection): Promise<ArchiverStatistics> {
  const row = await single(
    connection,
    `SELECT archived_count, last_archived_wal, last_archived_time, failed_count, last_failed_wal, last_failed_time, stats_reset,
current_setting('archive_mode') IN ('on', 'always') AND (last_failed_wal IS NULL OR last_failed_wal LIKE '%.history'
AND substring(last_failed_wal from 1 for 8) <= substring(last_archived_wal from 1 for 8)
OR last_failed_time <= last_archived_time) AS is_archiving,
CASE WHEN EXTRACT(epoch FROM clock_timestamp() - stats_reset) > 0
THEN archived_count / EXTRACT(epoch FROM clock_timestamp() - stats_reset) END AS per_second
FROM pg_stat_archiver`,
  );
  return {
    archivedCount: Number(row['archived_count'] ?? 0),
    lastArchivedWal: row['last_archived_wal'] ?? undefined,
    lastArchivedTime: parseTimestamp(row['last_archived_time'] ?? ''),
    failedCount: Number(row['failed_count'] ?? 0),
    lastFailedWal: row['last_failed_wal'] ?? undefined,
    lastFailedTime: parseTimestamp(row['last_failed_time'] ?? ''),
    statsReset: parseTimestamp(row['stats_reset'] ?? ''),
    isArchiving: row['is_archiving'] === 't',
    archivedPerSecond: row['per_second'] ?? undefined,
  };
}

/** How far a base backup is. */
export interface BackupProgress {
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
  /** All is sent; the server waits until the WAL of the backup is archived. */
  readonly isWaitingForWal: boolean;
}

/** Of the base backup that runs under this name; undefined before it sends and on servers before 13. */
export async function readBackupProgress(connection: Connection, applicationName: string): Promise<BackupProgress | undefined> {
  const [row] = await connection.query(
    `SELECT p.backup_streamed AS done, p.backup_total AS total, p.phase = 'waiting for wal archiving to finish' AS waiting
FROM pg_stat_progress_basebackup p
JOIN pg_stat_activity a USING (pid) WHERE a.application_name = $1 AND p.backup_streamed IS NOT NULL ORDER BY a.backend_start DESC LIMIT 1`,
    [applicationName],
  );
  if (row === undefined) return undefined;
  const total = row['total'];
  return {
    doneBytes: Number(row['done']),
    totalBytes: total == null ? undefined : Number(total),
    isWaitingForWal: row['waiting'] === 't',
  };
}

function segmentEndingAt(lsn: Lsn, name: SegmentName, segmentSize: number): SegmentName {
  return segmentAtLsn(lsnFromBytes(lsn - 1n), timelineOf(name), segmentSize).name;
}

async function valueIfAllowed(
  connection: Connection,
  sql: string,
  patience?: Parameters<Connection['query']>[2],
): Promise<string | undefined> {
  try {
    return await value(connection, sql, [], patience);
  } catch (error) {
    if (sqlStateOf(error) === notAllowed) return undefined;
    throw error;
  }
}

async function value(
  connection: Connection,
  sql: string,
  parameters: readonly string[] = [],
  patience?: Parameters<Connection['query']>[2],
): Promise<string | undefined> {
  const [row] = await connection.query(sql, parameters, patience);
  return Object.values(row ?? {})[0] ?? undefined;
}

async function single(connection: Connection, sql: string): Promise<Row> {
  const [row] = await connection.query(sql);
  if (row === undefined) throw new OperatorError('query-failed', `PostgreSQL gave no row for: ${sql.slice(0, 60)}`);
  return row;
}
