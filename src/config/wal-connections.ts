import type { ServerOptions } from './options.ts';

/** Connection strings of the server that WAL comes from, when that is another than the one backed up (docs/reference/config-checks-hooks.md section 4.4). */
export interface WalConnections {
  readonly conninfo: string | undefined;
  readonly streamingConninfo: string | undefined;
  /** The options that the strings stand in. */
  readonly keys: { readonly conninfo: string; readonly streamingConninfo: string };
  /** Options that replace the usual ones, for a line that says so. */
  readonly overriddenBy: readonly string[];
}

/** Which connections `cron`, `receive-wal` and `replication-status --source wal-host` use. */
export function walConnections(options: ServerOptions): WalConnections {
  const { conninfo, streaming_conninfo, wal_conninfo, wal_streaming_conninfo } = options;
  const overriddenBy = [
    ...(wal_streaming_conninfo === undefined ? [] : ['wal_streaming_conninfo']),
    ...(wal_conninfo === undefined ? [] : ['wal_conninfo']),
  ];
  return {
    conninfo: wal_conninfo ?? wal_streaming_conninfo ?? conninfo,
    streamingConninfo: wal_streaming_conninfo ?? streaming_conninfo,
    keys: {
      conninfo: wal_conninfo === undefined ? (overriddenBy[0] ?? 'conninfo') : 'wal_conninfo',
      streamingConninfo: wal_streaming_conninfo === undefined ? 'streaming_conninfo' : 'wal_streaming_conninfo',
    },
    overriddenBy,
  };
}
