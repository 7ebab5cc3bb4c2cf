import type { ReplicationReport, ReplicationTarget } from '../operations/reports/server-reports.ts';
import type { StreamingClient } from '../postgres/streaming-clients.ts';
import type { Json, JsonObject } from '../shared/format-json.ts';
import { formatLongTime } from '../shared/timestamp.ts';
import { formatSize } from '../shared/units.ts';
import { formatLsn, type Lsn } from '../wal/lsn.ts';
import type { Report } from './report.ts';

interface StatusOptions {
  readonly minimal: boolean;
}

const titles: Readonly<Record<ReplicationTarget, { readonly title: string; readonly key: string }>> = {
  all: { title: 'streaming clients', key: 'streaming_clients' },
  'hot-standby': { title: 'hot standby servers', key: 'hot_standby_servers' },
  'wal-streamer': { title: 'WAL streamers', key: 'wal_streamers' },
};

/** `replication-status` of one server (docs/reference/cli.md sections 6.6 and 12). */
export function renderReplicationStatus(report: ReplicationReport, { minimal }: StatusOptions): Report {
  const { title, key } = titles[report.target];
  const head = minimal ? [minimalHeading(report, title)] : fullHeading(report, title);
  const none = `No ${title} attached`;
  const json: Record<string, Json> = { server_lsn: lsnText(report.currentLsn), [key]: [] };
  if (report.clients.length === 0) {
    return { lines: [...head, `  ${none}`], json: { [report.serverName]: { ...json, standby_info: none } } };
  }
  json[key] = report.clients.map((client) => (minimal ? minimalJson(client) : fullJson(client, report.currentLsn)));
  return {
    lines: minimal
      ? [...head, ...report.clients.map(minimalRow)]
      : [
          ...head,
          `  Number of ${title}: ${String(report.clients.length)}`,
          ...report.clients.flatMap((client, index) => ['', ...fullRows(client, index + 1, report.currentLsn)]),
        ],
    json: { [report.serverName]: json },
  };
}

function fullHeading({ serverName, currentLsn }: ReplicationReport, title: string): string[] {
  const heading = `Status of ${title} for server '${serverName}':`;
  return currentLsn === undefined ? [heading] : [heading, `  Current LSN on master: ${formatLsn(currentLsn)}`];
}

/** A standby that knows its position is called a master too, as Barman does. */
function minimalHeading({ serverName, currentLsn }: ReplicationReport, title: string): string {
  const start = `${title.charAt(0).toUpperCase()}${title.slice(1).toLowerCase()} for`;
  if (currentLsn === undefined) return `${start} slave '${serverName}':`;
  return `${start} master '${serverName}' (LSN @ ${formatLsn(currentLsn)}):`;
}

function fullRows(client: StreamingClient, number: number, current: Lsn | undefined): string[] {
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['Application name', client.applicationName],
    ['Sync stage', syncStage(client, current)],
    ['Communication', communication(client)],
    ['IP Address', client.address === undefined ? undefined : addressText(client)],
    ['User name', client.userName],
    ['Current state', `${client.state} (${client.syncState})`],
    ['Replication slot', client.slotName],
    ['WAL sender PID', String(client.pid)],
    ['Started at', client.startedAt === undefined ? 'None' : formatLongTime(client.startedAt)],
    ["Standby's xmin", client.xmin],
  ];
  return [
    `  ${String(number)}. ${nameOf(client)}`,
    ...rows.flatMap(([label, value]) => (value === undefined ? [] : [`     ${label.padEnd(16)}: ${value}`])),
    ...positionsOf(client, current).map(({ label, text, diff }) => {
      const distance = diff === undefined ? '' : ` (diff: ${formatSize(diff)})`;
      return `     ${`${label} LSN`.padEnd(11)}: ${text}${distance}`;
    }),
  ];
}

function fullJson(client: StreamingClient, current: Lsn | undefined): JsonObject {
  const json: Record<string, Json> = {
    name: nameOf(client),
    application_name: client.applicationName,
    sync_stage: syncStage(client, current),
    communication: communication(client),
    ...(client.address === undefined
      ? {}
      : { ip_address: client.address, port: client.port ?? null, host: client.host ?? null }),
    user_name: client.userName,
    current_state: client.state,
    current_sync_state: client.syncState,
    ...(client.slotName === undefined ? {} : { replication_slot: client.slotName }),
    wal_sender_pid: client.pid,
    started_at: client.startedAt === undefined ? null : formatLongTime(client.startedAt),
    ...(client.xmin === undefined ? {} : { standbys_xmin: client.xmin }),
  };
  for (const { label, text, diff } of positionsOf(client, current)) {
    const key = `${label.toLowerCase()}_lsn`;
    json[key] = text;
    if (diff !== undefined) Object.assign(json, { [`${key}_diff`]: formatSize(diff), [`${key}_diff_bytes`]: diff });
  }
  return json;
}

function minimalRow(client: StreamingClient, index: number): string {
  const { replay, flush, sent, write, userName, syncPriority, applicationName } = client;
  const positions =
    replay === undefined
      ? `W) ${userName}@${addressOf(client)} S:${wordOfLsn(sent)} W:${wordOfLsn(write)}`
      : `${syncLetter(client)}) ${userName}@${addressOf(client)} S:${wordOfLsn(sent)} F:${wordOfLsn(flush)} R:${wordOfLsn(replay)}`;
  return `  ${String(index + 1)}. ${positions} P:${String(syncPriority)} AN:${applicationName}`;
}

function minimalJson(client: StreamingClient): JsonObject {
  const { replay, flush, sent, write, userName, syncPriority, applicationName } = client;
  return {
    user_name: userName,
    client_addr: addressOf(client),
    sent_lsn: lsnText(sent),
    sync_priority: syncPriority,
    application_name: applicationName,
    ...(replay === undefined
      ? { write_lsn: lsnText(write) }
      : { sync_state: syncLetter(client), flush_lsn: lsnText(flush), replay_lsn: lsnText(replay) }),
  };
}

/** `#1 Sync standby`, `Async WAL streamer`. */
function nameOf({ syncPriority, syncState, replay }: StreamingClient): string {
  const priority = syncPriority > 0 ? `#${String(syncPriority)} ` : '';
  const state = `${syncState.charAt(0).toUpperCase()}${syncState.slice(1).toLowerCase()}`;
  return `${priority}${state} ${replay === undefined ? 'WAL streamer' : 'standby'}`;
}

/** How far the client follows; only a standby has the stages above remote write. */
function syncStage({ sent, write, flush, replay }: StreamingClient, current: Lsn | undefined): string {
  const isUpToDate = (lsn: Lsn | undefined): boolean => lsn !== undefined && lsn === current;
  const last = replay === undefined ? '3' : '5';
  if (isUpToDate(replay)) return '5/5 Hot standby (max)';
  if (replay !== undefined && isUpToDate(flush)) return '4/5 2-safe';
  if (isUpToDate(write)) return `3/${last} Remote write`;
  return isUpToDate(sent) ? `2/${last} WAL Sent (min)` : `1/${last} 1-safe`;
}

interface Position {
  readonly label: string;
  readonly text: string;
  /** Bytes ahead of the server, negative when behind. */
  readonly diff: number | undefined;
}

function positionsOf({ sent, write, flush, replay }: StreamingClient, current: Lsn | undefined): Position[] {
  const all: readonly (readonly [string, Lsn | undefined])[] = [
    ['Sent', sent],
    ['Write', write],
    ['Flush', flush],
    ['Replay', replay],
  ];
  return all.flatMap(([label, lsn]) => {
    if (lsn === undefined) return [];
    return [{ label, text: formatLsn(lsn), diff: current === undefined ? undefined : Number(lsn - current) }];
  });
}

function communication({ address }: StreamingClient): string {
  return address === undefined ? 'Unix domain socket' : 'TCP/IP';
}

function addressText({ address, port, host }: StreamingClient): string {
  return `${address ?? ''} / Port: ${port === undefined ? '-' : String(port)} / Host: ${host ?? '-'}`;
}

function addressOf({ address }: StreamingClient): string {
  return address ?? 'socket';
}

function syncLetter({ syncState }: StreamingClient): string {
  return syncState.charAt(0).toUpperCase();
}

function lsnText(lsn: Lsn | undefined): string | null {
  return lsn === undefined ? null : formatLsn(lsn);
}

function wordOfLsn(lsn: Lsn | undefined): string {
  return lsnText(lsn) ?? 'None';
}
