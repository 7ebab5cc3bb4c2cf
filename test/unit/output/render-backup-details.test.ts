import { describe, expect, test } from 'vitest';
import type { BackupDetails } from '../../../src/operations/reports/backup-reports.ts';
import { renderBackupDetails } from '../../../src/output/render-backup-details.ts';
import type { Json, JsonObject } from '../../../src/shared/format-json.ts';
import { backupOf, detailsOf, dictOf, idOf, lsnOf, noWal, segmentOf } from './samples.ts';

const child = idOf('20260123T222533');
const weekly = detailsOf(
  backupOf({
    backupName: 'weekly',
    childrenBackupIds: [child],
    tablespaces: [
      { name: 'tbs1', oid: 16384, location: '/srv/ts1' },
      { name: 'a long tablespace name indeed', oid: 16385, location: '/srv/ts2' },
    ],
    summarizeWal: 'on',
    version: 170002,
  }),
  {
    wal: {
      neededCount: 1,
      neededBytes: 16777216,
      laterCount: 4,
      laterBytes: 33634432,
      last: segmentOf('000000010000000000000009'),
      lastTime: undefined,
      neededRatio: 0,
      laterRatio: 1 - 33634432 / (4 * 16777216),
      perSecond: 5 / 240,
    },
    retention: 'OBSOLETE',
    nextId: child,
    childTimelines: [2, 3],
  },
);

test('a full backup with tablespaces, children and timelines reads as from Barman', () => {
  expect(`${renderBackupDetails(weekly).lines.join('\n')}\n`).toBe(`Backup 20260122T222533:
  Backup Name            : weekly
  Server Name            : pg1
  System Id              : 7000000000000000000
  Status                 : DONE
  PostgreSQL Version     : 170002
  PGDATA directory       : /srv/pg
  Estimated Cluster Size : 22.2 MiB

  Server information:
    Checksums            : on
    WAL summarizer       : on

  Tablespaces:
    tbs1                 : /srv/ts1 (oid: 16384)
    a long tablespace name indeed: /srv/ts2 (oid: 16385)

  Base backup information:
    Backup Method        : postgres
    Backup Type          : full
    Backup Size          : 22.2 MiB (38.2 MiB with WALs)
    WAL Size             : 16.0 MiB
    Timeline             : 1
    Begin WAL            : 000000010000000000000005
    End WAL              : 000000010000000000000005
    Number of WALs       : 1
    Begin time           : 2026-01-22 22:25:33.383242+00:00
    End time             : 2026-01-22 22:25:35.123000+00:00
    Copy time            : 1 second
    Estimated throughput : 20.8 MiB/s
    Begin Offset         : 40
    End Offset           : 0
    Begin LSN            : 0/5000028
    End LSN              : 0/6000000

  WAL information:
    Number of files      : 4
    Disk usage           : 32.1 MiB
    WAL rate             : 75.00/hour
    Compression ratio    : 49.88%
    Last available       : 000000010000000000000009
    Reachable timelines  : 2, 3

  Catalog information:
    Retention Policy     : OBSOLETE
    Previous Backup      : - (this is the oldest base backup)
    Next Backup          : 20260123T222533

WARNING: WAL information is inaccurate due to multiple timelines interacting with this backup
    Children Backup(s)   : 20260123T222533
`);
});

test('its JSON has texts beside numbers', () => {
  expect(renderBackupDetails(weekly).json).toEqual({
    pg1: {
      backup_id: '20260122T222533',
      backup_name: 'weekly',
      backup_type: 'full',
      status: 'DONE',
      system_id: '7000000000000000000',
      server_information: { data_checksums: 'on', summarize_wal: 'on' },
      cluster_size: '22.2 MiB',
      cluster_size_bytes: 23277257,
      postgresql_version: 170002,
      pgdata_directory: '/srv/pg',
      tablespaces: [
        { name: 'tbs1', oid: 16384, location: '/srv/ts1' },
        { name: 'a long tablespace name indeed', oid: 16385, location: '/srv/ts2' },
      ],
      base_backup_information: {
        backup_method: 'postgres',
        encryption: null,
        compression: null,
        backup_size: '22.2 MiB',
        backup_size_bytes: 23277000,
        backup_size_with_wals: '38.2 MiB',
        backup_size_with_wals_bytes: 40054216,
        wal_size: '16.0 MiB',
        wal_size_bytes: 16777216,
        timeline: 1,
        begin_wal: '000000010000000000000005',
        end_wal: '000000010000000000000005',
        wal_num: 1,
        begin_time: '2026-01-22 22:25:33.383242+00:00',
        begin_time_timestamp: '1769120733',
        end_time: '2026-01-22 22:25:35.123000+00:00',
        end_time_timestamp: '1769120735',
        copy_time: '1 second',
        copy_time_seconds: 1.069315,
        throughput: '20.8 MiB/s',
        throughput_bytes: 21768141,
        number_of_workers: 1,
        begin_offset: 40,
        end_offset: 0,
        begin_lsn: '0/5000028',
        end_lsn: '0/6000000',
      },
      catalog_information: {
        retention_policy: 'OBSOLETE',
        previous_backup: '- (this is the oldest base backup)',
        next_backup: '20260123T222533',
        children_backup_ids: ['20260123T222533'],
      },
      wal_information: {
        no_of_files: 4,
        disk_usage: '32.1 MiB',
        disk_usage_bytes: 33634432,
        wal_rate: '75.00/hour',
        wal_rate_per_second: 5 / 240,
        compression_ratio: '49.88%',
        last_available: '000000010000000000000009',
        timelines: ['2', '3'],
        _WARNING: 'WAL information is inaccurate due to multiple timelines interacting with this backup',
      },
    },
  });
});

describe('rows that depend on the backup', () => {
  const rsync = backupOf({
    mode: 'rsync-concurrent',
    encryption: 'gpg',
    deduplicatedSize: 1000000,
    copyStats: dictOf("{'number_of_workers': 4, 'analysis_time': 3.25, 'copy_time': 63.5}"),
  });
  test.each<{ fact: string; details: BackupDetails; has?: string[]; lacks?: string[] }>([
    {
      fact: 'an rsync backup tells what it saved and how many jobs copied',
      details: detailsOf(rsync),
      has: [
        '    Backup Method        : rsync-concurrent',
        '    Encryption           : gpg',
        '    Backup Size          : 976.6 KiB',
        '    Resources saved      : 21.2 MiB (95.70%)',
        '    Copy time            : 1 minute, 3 seconds + 3 seconds startup',
        '    Estimated throughput : 15.4 KiB/s (4 jobs)',
      ],
      lacks: ['Backup Type', 'Children'],
    },
    {
      fact: 'an incremental one tells its chain',
      details: detailsOf(backupOf({ parentBackupId: idOf('20260121T222533'), deduplicatedSize: 3000000 }), {
        chain: { rootId: idOf('20260120T222533'), parentId: idOf('20260121T222533'), length: 3 },
      }),
      has: [
        '    Backup Type          : incremental',
        '    Resources saved      : 19.3 MiB (87.11%)',
        '    Root Backup          : 20260120T222533',
        '    Parent Backup        : 20260121T222533',
        '    Backup chain size    : 3',
      ],
    },
    {
      fact: 'an unknown cluster size saves nothing',
      details: detailsOf(backupOf({ parentBackupId: idOf('20260121T222533'), clusterSize: null })),
      has: ['    Resources saved      : 0 B (0.00%)'],
      lacks: ['Estimated Cluster Size'],
    },
    {
      fact: 'nothing copied has neither size nor throughput',
      details: detailsOf(backupOf({ deduplicatedSize: 0 })),
      lacks: ['Backup Size', 'Estimated throughput'],
      has: ['    Copy time            : 1 second'],
    },
    {
      fact: 'a copy that was not measured has no time',
      details: detailsOf(backupOf({ copyStats: null })),
      lacks: ['Copy time', 'Estimated throughput'],
    },
    {
      fact: 'a compressed tar names its compression',
      details: detailsOf(backupOf({ compression: 'gzip' })),
      has: ['    Backup Compression   : gzip'],
    },
    { fact: 'a plain tar names none', details: detailsOf(backupOf({ compression: 'none' })), lacks: ['Backup Compression'] },
    {
      fact: 'without WAL there is no rate',
      details: detailsOf(backupOf()),
      has: ['    Number of files      : 0', '    Disk usage           : 0 B', '    Last available       : None'],
      lacks: ['WAL Size', 'Number of WALs', 'WAL rate', 'Compression ratio', 'Reachable timelines', 'WARNING'],
    },
    {
      fact: 'compressed WAL of the backup has a ratio',
      details: detailsOf(backupOf(), {
        wal: { ...noWal, neededCount: 1, neededBytes: 40000, lastTime: undefined, neededRatio: 1 - 40000 / 16777216 },
      }),
      has: ['    WAL compression ratio: 99.76%', '    WAL Size             : 39.1 KiB'],
    },
    {
      fact: 'the newest backup has no next one',
      details: detailsOf(backupOf(), { previousId: child }),
      has: ['    Previous Backup      : 20260123T222533', '    Next Backup          : - (this is the latest base backup)'],
    },
  ])('$fact', ({ details, has = [], lacks = [] }) => {
    const { lines } = renderBackupDetails(details);
    expect(lines).toEqual(expect.arrayContaining(has));
    for (const label of lacks) expect(lines.filter((line) => line.includes(label))).toEqual([]);
  });
});

describe('a backup whose copy is not complete', () => {
  test('ends with its error', () => {
    const failed = backupOf({ status: 'FAILED', error: 'failure copying files (boom)' });
    const { lines, json } = renderBackupDetails(detailsOf(failed));
    expect(lines).toEqual([
      'Backup 20260122T222533:',
      '  Server Name            : pg1',
      '  System Id              : 7000000000000000000',
      '  Status                 : FAILED',
      '',
      '  Server information:',
      '    Checksums            : on',
      '',
      '  Error                  : failure copying files (boom)',
    ]);
    expect(json['pg1']).toEqual({
      backup_id: '20260122T222533',
      error: 'failure copying files (boom)',
      server_information: { data_checksums: 'on', summarize_wal: null },
      status: 'FAILED',
      system_id: '7000000000000000000',
    });
  });

  test('ends with an empty line when nothing went wrong yet', () => {
    const { lines } = renderBackupDetails(detailsOf(backupOf({ status: 'STARTED', dataChecksums: null, systemid: null })));
    expect(lines).toEqual([
      'Backup 20260122T222533:',
      '  Server Name            : pg1',
      '  Status                 : STARTED',
      '',
    ]);
  });
});

test('snapshots are listed with their sorted provider fields and mounts', () => {
  const snapshotsInfo = dictOf(
    "{'provider': 'gcp', 'provider_info': {'project': 'p1'}, 'snapshots': [{'mount': {'mount_options': 'rw,noatime', 'mount_point': '/mnt/1'}, 'provider': {'snapshot_name': 'sn1', 'device_name': 'dev1'}}]}",
  );
  const details = detailsOf(backupOf({ mode: 'snapshot-concurrent', snapshotsInfo, beginXlog: lsnOf('0/1') }));
  const { lines, json } = renderBackupDetails(details);
  const start = lines.indexOf('  Snapshot information:');
  expect(lines.slice(start, start + 9)).toEqual([
    '  Snapshot information:',
    '    provider             : gcp',
    '    project              : p1',
    '',
    '    device_name          : dev1',
    '    snapshot_name        : sn1',
    '    Mount point          : /mnt/1',
    '    Mount options        : rw,noatime',
    '',
  ]);
  expect(objectAt(json, 'pg1')['snapshots_info']).toMatchObject({ provider: 'gcp', provider_info: { project: 'p1' } });
});

function objectAt(json: JsonObject, key: string): JsonObject {
  const found: Json | undefined = json[key];
  if (typeof found !== 'object' || found === null || Array.isArray(found)) throw new Error(`no object at ${key}`);
  return found as JsonObject; // neither null nor an array
}
