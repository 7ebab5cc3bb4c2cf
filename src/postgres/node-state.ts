import { type Lsn, parseLsn } from '../wal/lsn.ts';
import type { Connection } from './connect.ts';

/** The role, the WAL and the physical slots of a server, as it reports them. */
export interface NodeState {
  readonly isInRecovery: boolean;
  readonly version: number;
  /** Undefined where the role may not ask. */
  readonly dataDirectory: string | undefined;
  /** Of a primary. */
  readonly written: Lsn | undefined;
  /** Of a standby: as far as it has received WAL by streaming. */
  readonly flushed: Lsn | undefined;
  /** Of a standby. */
  readonly replayed: Lsn | undefined;
  readonly slots: readonly {
    readonly name: string;
    readonly isActive: boolean;
    readonly restartLsn: Lsn | undefined;
    readonly walStatus: string | undefined;
    readonly safeWalSize: bigint | undefined;
  }[];
}

const lsnOf = (text: string | null | undefined): Lsn | undefined => parseLsn(text ?? '');

/** Role, positions and slots at one moment. */
export async function readNodeState(connection: Connection): Promise<NodeState> {
  const [row] = await connection.query(`SELECT r AS recovery, current_setting('server_version_num') AS version,
(SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data,
CASE WHEN NOT r THEN pg_current_wal_lsn() END AS written,
CASE WHEN r THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_flush_lsn() END AS flushed,
CASE WHEN r THEN pg_last_wal_replay_lsn() END AS replayed FROM pg_is_in_recovery() r`);
  const slots = await connection.query(
    // as JSON: the last two are there from PostgreSQL 13 on
    `SELECT slot_name, active, restart_lsn, to_jsonb(s)->>'wal_status' AS wal_status, to_jsonb(s)->>'safe_wal_size' AS safe
FROM pg_replication_slots s WHERE slot_type = 'physical' ORDER BY 1`,
  );
  return {
    isInRecovery: row?.['recovery'] === 't',
    version: Number(row?.['version']),
    dataDirectory: row?.['data'] ?? undefined,
    written: lsnOf(row?.['written']),
    flushed: lsnOf(row?.['flushed']),
    replayed: lsnOf(row?.['replayed']),
    slots: slots.map((slot) => ({
      name: slot['slot_name'] ?? '',
      isActive: slot['active'] === 't',
      restartLsn: lsnOf(slot['restart_lsn']),
      walStatus: slot['wal_status'] ?? undefined,
      safeWalSize: slot['safe'] == null ? undefined : BigInt(slot['safe']),
    })),
  };
}
