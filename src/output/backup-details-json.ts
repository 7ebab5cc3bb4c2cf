import type { BackupDetails } from '../operations/reports/backup-reports.ts';
import { formatRatio } from '../shared/format-fixed.ts';
import type { JsonObject } from '../shared/format-json.ts';
import { epochSeconds, formatLongTime, type Timestamp } from '../shared/timestamp.ts';
import { formatInterval, formatSize } from '../shared/units.ts';
import { formatLsn, type Lsn } from '../wal/lsn.ts';
import { hourlyRate, neighbourTexts } from './backup-details-sections.ts';
import { copyStatistic, isComplete, positive, resourcesSaved } from './backup-statistics.ts';
import { jsonOfPython } from './python-json.ts';

/** `show-backup -f json`, without the server around it (docs/reference/cli.md section 12, docs/reference/clients.md section 3). */
export function backupDetailsJson(details: BackupDetails): JsonObject {
  const { backup, type } = details;
  const known = {
    backup_id: backup.id,
    status: backup.status,
    ...(backup.backupName === null ? {} : { backup_name: backup.backupName }),
    ...(backup.systemid === null ? {} : { system_id: backup.systemid }),
    server_information: { data_checksums: backup.dataChecksums, summarize_wal: backup.summarizeWal },
  };
  const others = Object.fromEntries(backup.otherKeys ?? []);
  if (!isComplete(backup)) return { ...others, ...known, ...(backup.error === null ? {} : { error: backup.error }) };
  const clusterSize = positive(backup.clusterSize);
  return {
    ...others,
    ...known,
    backup_type: type,
    ...(clusterSize === undefined ? {} : sizes('cluster_size', clusterSize)),
    postgresql_version: backup.version,
    pgdata_directory: backup.pgdata,
    tablespaces: (backup.tablespaces ?? []).map(({ name, location, oid }) => ({ name, location, oid })),
    ...(backup.snapshotsInfo === null ? {} : { snapshots_info: jsonOfPython(backup.snapshotsInfo) }),
    base_backup_information: baseBackupJson(details),
    catalog_information: catalogJson(details),
    wal_information: walJson(details),
  };
}

function baseBackupJson(details: BackupDetails): JsonObject {
  const { backup, wal } = details;
  const size = backup.deduplicatedSize ?? 0;
  return {
    backup_method: backup.mode,
    encryption: backup.encryption,
    compression: backup.compression,
    ...sizes('backup_size', size),
    ...sizes('backup_size_with_wals', size + wal.neededBytes),
    ...sizes('wal_size', wal.neededBytes),
    ...savedJson(details),
    timeline: backup.timeline,
    begin_wal: backup.beginWal,
    end_wal: backup.endWal,
    wal_num: wal.neededCount,
    ...(wal.neededRatio > 0 ? { wal_compression_ratio: formatRatio(wal.neededRatio) } : {}),
    ...times('begin_time', backup.beginTime),
    ...times('end_time', backup.endTime),
    ...copyJson(details),
    begin_offset: backup.beginOffset,
    end_offset: backup.endOffset,
    begin_lsn: lsnText(backup.beginXlog),
    end_lsn: lsnText(backup.endXlog),
  };
}

function savedJson(details: BackupDetails): JsonObject {
  const saved = resourcesSaved(details);
  if (saved === undefined) return {};
  return { ...sizes('resources_saved', saved.bytes), resources_saved_percentage: formatRatio(saved.ratio) };
}

function copyJson({ backup }: BackupDetails): JsonObject {
  const seconds = copyStatistic(backup, 'copy_time');
  if (seconds <= 0) return {};
  const analysis = copyStatistic(backup, 'analysis_time');
  const rate = (backup.deduplicatedSize ?? 0) / seconds;
  return {
    copy_time: formatInterval(seconds),
    copy_time_seconds: seconds,
    ...(analysis >= 1 ? { analysis_time: formatInterval(analysis), analysis_time_seconds: analysis } : {}),
    throughput: `${formatSize(rate)}/s`,
    throughput_bytes: Math.trunc(rate),
    number_of_workers: copyStatistic(backup, 'number_of_workers') || 1,
  };
}

function catalogJson(details: BackupDetails): JsonObject {
  const { backup, chain, retention } = details;
  const { previous, next } = neighbourTexts(details);
  return {
    retention_policy: retention,
    previous_backup: previous,
    next_backup: next,
    ...(chain === undefined
      ? {}
      : { root_backup_id: chain.rootId, parent_backup_id: chain.parentId, chain_size: chain.length }),
    ...(backup.mode === 'postgres' ? { children_backup_ids: backup.childrenBackupIds } : {}),
  };
}

function walJson({ wal, childTimelines }: BackupDetails): JsonObject {
  return {
    no_of_files: wal.laterCount,
    ...sizes('disk_usage', wal.laterBytes),
    wal_rate: wal.perSecond === undefined ? 0 : hourlyRate(wal.perSecond),
    wal_rate_per_second: wal.perSecond ?? 0,
    compression_ratio: wal.laterRatio > 0 ? formatRatio(wal.laterRatio) : 0,
    last_available: wal.last ?? null,
    timelines: childTimelines.map(String),
    ...(childTimelines.length === 0
      ? {}
      : { _WARNING: 'WAL information is inaccurate due to multiple timelines interacting with this backup' }),
  };
}

function sizes(key: string, bytes: number): JsonObject {
  return { [key]: formatSize(bytes), [`${key}_bytes`]: Math.trunc(bytes) };
}

function times(key: string, time: Timestamp | null): JsonObject {
  return {
    [key]: time === null ? null : formatLongTime(time),
    [`${key}_timestamp`]: time === null ? null : String(epochSeconds(time)),
  };
}

function lsnText(lsn: Lsn | null): string | null {
  return lsn === null ? null : formatLsn(lsn);
}
