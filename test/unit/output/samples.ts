// Backups, servers and streams that the renderers are shown.
import { type Backup, backupTypeOf, emptyBackup, parseBackupId } from '../../../src/catalog/backups/backup.ts';
import type { WalStatistics } from '../../../src/catalog/index/wal-statistics.ts';
import type { BackupDetails, BackupSummary } from '../../../src/operations/reports/backup-reports.ts';
import type { ServerHeading, ServerStatus } from '../../../src/operations/reports/server-reports.ts';
import { isDict, type PythonDict, parsePythonLiteral } from '../../../src/shared/python-literal.ts';
import { parseTimestamp, type Timestamp } from '../../../src/shared/timestamp.ts';
import { type Lsn, parseLsn } from '../../../src/wal/lsn.ts';
import { parseSegmentName, type SegmentName } from '../../../src/wal/wal-name.ts';

export const idOf = (text: string) => parseBackupId(text)!;
export const timeOf = (text: string): Timestamp => parseTimestamp(text)!;
export const lsnOf = (text: string): Lsn => parseLsn(text)!;
export const segmentOf = (text: string): SegmentName => parseSegmentName(text)!;

export function dictOf(text: string): PythonDict {
  const literal = parsePythonLiteral(text);
  if (!isDict(literal)) throw new Error(`no dict: ${text}`);
  return literal;
}

/** The record that Barman 3.13.3 was shown when the expected texts were taken. */
export function backupOf(known: Partial<Backup> = {}): Backup {
  return {
    ...emptyBackup(idOf('20260122T222533')),
    serverName: 'pg1',
    status: 'DONE',
    mode: 'postgres',
    backupLabel: 'START WAL LOCATION: 0/5000028\n',
    beginOffset: 40,
    beginTime: timeOf('2026-01-22 22:25:33.383242+00:00'),
    beginWal: segmentOf('000000010000000000000005'),
    beginXlog: lsnOf('0/5000028'),
    clusterSize: 23277257,
    copyStats: dictOf("{'copy_time': 1.069315, 'total_time': 1.069315}"),
    dataChecksums: 'on',
    deduplicatedSize: 23277000,
    endOffset: 0,
    endTime: timeOf('2026-01-22 22:25:35.123+00:00'),
    endWal: segmentOf('000000010000000000000005'),
    endXlog: lsnOf('0/6000000'),
    includedFiles: ['/srv/pg/postgresql.auto.conf'],
    pgdata: '/srv/pg',
    size: 23277000,
    systemid: '7000000000000000000',
    timeline: 1,
    version: 150018,
    ...known,
  };
}

export const noWal: WalStatistics = {
  neededCount: 0,
  neededBytes: 0,
  laterCount: 0,
  laterBytes: 0,
  last: undefined,
  lastTime: undefined,
  neededRatio: 0,
  laterRatio: 0,
  perSecond: undefined,
};

export function summaryOf(backup: Backup, more: Partial<BackupSummary> = {}): BackupSummary {
  return { backup, type: backupTypeOf(backup), wal: noWal, retention: 'not enforced', ...more };
}

export function detailsOf(backup: Backup, more: Partial<BackupDetails> = {}): BackupDetails {
  return {
    ...summaryOf(backup),
    serverName: 'pg1',
    previousId: undefined,
    nextId: undefined,
    childTimelines: [],
    chain: undefined,
    ...more,
  };
}

export function serverOf(name: string, more: Partial<ServerHeading> = {}): ServerHeading {
  return { name, isActive: true, isDisabled: false, isPassive: false, ...more };
}

/** The status of a server that is not asked, and has no backup. */
export function statusOf(name: string): ServerStatus {
  return {
    ...serverOf(name),
    description: undefined,
    activeModel: undefined,
    postgres: undefined,
    catalog: {
      retentionPolicy: undefined,
      doneCount: 0,
      firstBackup: undefined,
      lastBackup: undefined,
      redundancy: 0,
      minimumRedundancy: 0,
    },
    primarySshCommand: undefined,
    stuckWal: undefined,
    continuity: { kind: 'none' },
    cluster: undefined,
  };
}

/** A stream that keeps each write. */
export class KeptStream {
  readonly writes: string[] = [];
  write(text: string): void {
    this.writes.push(text);
  }
}
