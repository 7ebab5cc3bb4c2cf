import { OperatorError } from '../shared/operator-error.ts';
import { parseTimestamp, type Timestamp } from '../shared/timestamp.ts';
import { type Lsn, parseLsn } from '../wal/lsn.ts';
import type { Connection, Row } from './connect.ts';

/** Where a backup begins or ends, as the server says. */
export interface BackupPosition {
  readonly lsn: Lsn;
  readonly timeline: number;
  readonly time: Timestamp;
}

interface StartOptions {
  readonly version: number;
  readonly label: string;
  readonly isCheckpointFast: boolean;
  /** Keeps the state in the data folder instead of in the session; gone in 15. */
  readonly isExclusive: boolean;
}

const afterPromotion = 'the session that began the backup must end it';

/**
 * Begins a backup of the low-level interface (PostgreSQL manual, "Making a Base Backup Using the Low Level API"; docs/reference/engine.md section 1.2).
 * The session must stay open until {@link stopBackup}: when it ends, so does a backup that is not exclusive.
 */
export async function startBackup(connection: Connection, options: StartOptions): Promise<BackupPosition> {
  const { version, label, isCheckpointFast, isExclusive } = options;
  if (version >= 140_000) await connection.query('SET idle_session_timeout TO 0');
  const call =
    version >= 150_000
      ? 'pg_backup_start($1, $2::boolean)'
      : `pg_start_backup($1, $2::boolean, ${isExclusive ? 'true' : 'false'})`;
  const [row] = await connection.query(
    `SELECT location AS lsn, now() AS time, (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline FROM ${call} AS location`,
    [label, isCheckpointFast ? 't' : 'f'],
    'as-long-as-it-takes',
  );
  return positionOf(row);
}

interface StoppedBackup extends BackupPosition {
  /** Content of `backup_label`; undefined for an exclusive backup, which has it in the data folder. */
  readonly label: string | undefined;
}

interface StopOptions {
  readonly version: number;
  readonly isExclusive: boolean;
  /** Whether the server waits until the backup's WAL is archived, where it does so. */
  readonly waits: boolean;
}

/** Ends a backup. @throws OperatorError `query-failed`, for one when a standby was promoted meanwhile */
export async function stopBackup(connection: Connection, { version, isExclusive, waits }: StopOptions): Promise<StoppedBackup> {
  const wait = waits ? 'true' : 'false';
  const timeline = `(SELECT CASE WHEN pg_is_in_recovery() THEN (SELECT min_recovery_end_timeline FROM pg_control_recovery())
ELSE (SELECT timeline_id FROM pg_control_checkpoint()) END) AS timeline`;
  const call = version >= 150_000 ? `pg_backup_stop(${wait})` : `pg_stop_backup(false, ${wait})`;
  const [row] = isExclusive
    ? await connection.query(`SELECT pg_stop_backup() AS lsn, now() AS time, ${timeline}`, [], 'as-long-as-it-takes')
    : await connection.query(
        `SELECT lsn, labelfile AS label, clock_timestamp() AS time, ${timeline} FROM ${call}`,
        [],
        'as-long-as-it-takes',
      );
  if (version >= 140_000) await connection.query('RESET idle_session_timeout');
  return { ...positionOf(row), label: row?.['label'] ?? undefined };
}

function positionOf(row: Row | undefined): BackupPosition {
  const lsn = parseLsn(row?.['lsn'] ?? '');
  const time = parseTimestamp(row?.['time'] ?? '');
  const timeline = Number(row?.['timeline'] ?? Number.NaN);
  if (lsn === undefined || time === undefined || Number.isNaN(timeline))
    throw new OperatorError('query-failed', `PostgreSQL does not report the position of the backup; ${afterPromotion}`);
  return { lsn, time, timeline };
}
