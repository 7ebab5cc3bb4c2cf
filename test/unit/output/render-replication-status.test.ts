import { describe, expect, test } from 'vitest';
import type { ReplicationReport } from '../../../src/operations/reports/server-reports.ts';
import { renderReplicationStatus } from '../../../src/output/render-replication-status.ts';
import type { StreamingClient } from '../../../src/postgres/streaming-clients.ts';
import { lsnOf, timeOf } from './samples.ts';

const here = lsnOf('0/3000060');
const standby: StreamingClient = {
  pid: 20300,
  userName: 'postgres',
  applicationName: 'walreceiver',
  address: undefined,
  host: undefined,
  port: undefined,
  startedAt: timeOf('2026-11-23 18:16:29.805269+00:00'),
  xmin: '740',
  state: 'streaming',
  sent: here,
  write: here,
  flush: here,
  replay: here,
  syncPriority: 1,
  syncState: 'sync',
  slotName: 'stby',
};
const streamer: StreamingClient = {
  ...standby,
  pid: 20306,
  applicationName: 'barman_receive_wal',
  address: '127.0.0.1',
  port: 42720,
  xmin: undefined,
  write: lsnOf('0/3000000'),
  flush: undefined,
  replay: undefined,
  syncPriority: 0,
  syncState: 'async',
  slotName: undefined,
};
const report: ReplicationReport = {
  serverName: 'pg1',
  target: 'all',
  isInRecovery: false,
  currentLsn: here,
  clients: [standby, streamer],
};

test('the full status reads as from Barman', () => {
  expect(
    `${renderReplicationStatus(report, { minimal: false }).lines.join('\n')}\n`,
  ).toBe(`Status of streaming clients for server 'pg1':
  Current LSN on master: 0/3000060
  Number of streaming clients: 2

  1. #1 Sync standby
     Application name: walreceiver
     Sync stage      : 5/5 Hot standby (max)
     Communication   : Unix domain socket
     User name       : postgres
     Current state   : streaming (sync)
     Replication slot: stby
     WAL sender PID  : 20300
     Started at      : 2026-11-23 18:16:29.805269+00:00
     Standby's xmin  : 740
     Sent LSN   : 0/3000060 (diff: 0 B)
     Write LSN  : 0/3000060 (diff: 0 B)
     Flush LSN  : 0/3000060 (diff: 0 B)
     Replay LSN : 0/3000060 (diff: 0 B)

  2. Async WAL streamer
     Application name: barman_receive_wal
     Sync stage      : 2/3 WAL Sent (min)
     Communication   : TCP/IP
     IP Address      : 127.0.0.1 / Port: 42720 / Host: -
     User name       : postgres
     Current state   : streaming (async)
     WAL sender PID  : 20306
     Started at      : 2026-11-23 18:16:29.805269+00:00
     Sent LSN   : 0/3000060 (diff: 0 B)
     Write LSN  : 0/3000000 (diff: -96 B)
`);
});

test('the full JSON has a number beside each difference', () => {
  expect(renderReplicationStatus({ ...report, clients: [streamer] }, { minimal: false }).json).toEqual({
    pg1: {
      server_lsn: '0/3000060',
      streaming_clients: [
        {
          name: 'Async WAL streamer',
          application_name: 'barman_receive_wal',
          sync_stage: '2/3 WAL Sent (min)',
          communication: 'TCP/IP',
          ip_address: '127.0.0.1',
          port: 42720,
          host: null,
          user_name: 'postgres',
          current_state: 'streaming',
          current_sync_state: 'async',
          wal_sender_pid: 20306,
          started_at: '2026-11-23 18:16:29.805269+00:00',
          sent_lsn: '0/3000060',
          sent_lsn_diff: '0 B',
          sent_lsn_diff_bytes: 0,
          write_lsn: '0/3000000',
          write_lsn_diff: '-96 B',
          write_lsn_diff_bytes: -96,
        },
      ],
    },
  });
});

test('the minimal status is a line for each client', () => {
  const { lines, json } = renderReplicationStatus(report, { minimal: true });
  expect(lines).toEqual([
    "Streaming clients for master 'pg1' (LSN @ 0/3000060):",
    '  1. S) postgres@socket S:0/3000060 F:0/3000060 R:0/3000060 P:1 AN:walreceiver',
    '  2. W) postgres@127.0.0.1 S:0/3000060 W:0/3000000 P:0 AN:barman_receive_wal',
  ]);
  expect(json).toEqual({
    pg1: {
      server_lsn: '0/3000060',
      streaming_clients: [
        {
          user_name: 'postgres',
          client_addr: 'socket',
          sent_lsn: '0/3000060',
          sync_priority: 1,
          application_name: 'walreceiver',
          sync_state: 'S',
          flush_lsn: '0/3000060',
          replay_lsn: '0/3000060',
        },
        {
          user_name: 'postgres',
          client_addr: '127.0.0.1',
          sent_lsn: '0/3000060',
          sync_priority: 0,
          application_name: 'barman_receive_wal',
          write_lsn: '0/3000000',
        },
      ],
    },
  });
});

test.each([
  { target: 'all', title: 'Streaming clients', full: 'streaming clients', key: 'streaming_clients' },
  { target: 'hot-standby', title: 'Hot standby servers', full: 'hot standby servers', key: 'hot_standby_servers' },
  { target: 'wal-streamer', title: 'Wal streamers', full: 'WAL streamers', key: 'wal_streamers' },
] as const)('nobody attached to $target is said in one line', ({ target, title, full, key }) => {
  const empty: ReplicationReport = { ...report, target, clients: [], currentLsn: undefined };
  const none = `No ${full} attached`;
  expect(renderReplicationStatus(empty, { minimal: true })).toEqual({
    lines: [`${title} for slave 'pg1':`, `  ${none}`],
    json: { pg1: { server_lsn: null, [key]: [], standby_info: none } },
  });
  expect(renderReplicationStatus(empty, { minimal: false }).lines).toEqual([
    `Status of ${full} for server 'pg1':`,
    `  ${none}`,
  ]);
});

describe('the sync stage', () => {
  const behind = lsnOf('0/2000000');
  test.each<{ stage: string; client: StreamingClient }>([
    { stage: '4/5 2-safe', client: { ...standby, replay: behind } },
    { stage: '3/5 Remote write', client: { ...standby, replay: behind, flush: behind } },
    { stage: '2/5 WAL Sent (min)', client: { ...standby, replay: behind, flush: behind, write: behind } },
    { stage: '1/5 1-safe', client: { ...standby, replay: behind, flush: behind, write: behind, sent: behind } },
    { stage: '3/3 Remote write', client: { ...streamer, write: here } },
    { stage: '1/3 1-safe', client: { ...streamer, sent: behind } },
  ])('is $stage', ({ stage, client }) => {
    const { lines } = renderReplicationStatus({ ...report, clients: [client] }, { minimal: false });
    expect(lines).toContain(`     Sync stage      : ${stage}`);
  });
});
