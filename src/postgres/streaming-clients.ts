import { parseTimestamp, type Timestamp } from '../shared/timestamp.ts';
import { type Lsn, parseLsn } from '../wal/lsn.ts';
import type { Connection } from './connect.ts';

/** One client of `pg_stat_replication`. */
export interface StreamingClient {
  readonly pid: number;
  readonly userName: string;
  readonly applicationName: string;
  /** Undefined on a Unix domain socket. */
  readonly address: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly startedAt: Timestamp | undefined;
  readonly xmin: string | undefined;
  readonly state: string;
  readonly sent: Lsn | undefined;
  readonly write: Lsn | undefined;
  readonly flush: Lsn | undefined;
  /** Undefined for a WAL streamer, which replays nothing. */
  readonly replay: Lsn | undefined;
  readonly syncPriority: number;
  readonly syncState: string;
  readonly slotName: string | undefined;
}

/** Streaming clients in Barman's order: sync state descending, then priority; logical slots are left out (docs/reference/cli.md section 6.6). */
export async function readStreamingClients(connection: Connection): Promise<StreamingClient[]> {
  const rows = await connection.query(
    `SELECT r.pid, usename, application_name, host(client_addr) AS client_addr, client_hostname, client_port, backend_start,
backend_xmin, state, sent_lsn, write_lsn, flush_lsn, replay_lsn, sync_priority, sync_state, slot_name
FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON r.pid = s.active_pid
WHERE coalesce(slot_type, 'physical') = 'physical' ORDER BY sync_state DESC, sync_priority, r.pid`,
  );
  return rows.map((row) => ({
    pid: Number(row['pid']),
    userName: row['usename'] ?? '',
    applicationName: row['application_name'] ?? '',
    address: row['client_addr'] ?? undefined,
    host: row['client_hostname'] ?? undefined,
    port: row['client_port'] == null ? undefined : Number(row['client_port']),
    startedAt: parseTimestamp(row['backend_start'] ?? ''),
    xmin: row['backend_xmin'] ?? undefined,
    state: row['state'] ?? '',
    sent: parseLsn(row['sent_lsn'] ?? ''),
    write: parseLsn(row['write_lsn'] ?? ''),
    flush: parseLsn(row['flush_lsn'] ?? ''),
    replay: parseLsn(row['replay_lsn'] ?? ''),
    syncPriority: Number(row['sync_priority'] ?? 0),
    syncState: row['sync_state'] ?? '',
    slotName: row['slot_name'] ?? undefined,
  }));
}
