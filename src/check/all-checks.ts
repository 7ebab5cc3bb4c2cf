import type { Check } from './check.ts';
import { archiveCommand } from './checks/archive-command.ts';
import { archiveMode } from './checks/archive-mode.ts';
import { archiverErrors } from './checks/archiver-errors.ts';
import { backupFilesPresent } from './checks/backup-files-present.ts';
import { backupLabelLeft } from './checks/backup-label-left.ts';
import { backupMaximumAge } from './checks/backup-maximum-age.ts';
import { backupMinimumSize } from './checks/backup-minimum-size.ts';
import { backupPrivileges } from './checks/backup-privileges.ts';
import { backupRecordsReadable } from './checks/backup-records-readable.ts';
import { cloudStorageConfiguration } from './checks/cloud-storage-configuration.ts';
import { clusterFollowed } from './checks/cluster-followed.ts';
import { clusterLosses } from './checks/cluster-losses.ts';
import { compressionSettings } from './checks/compression-settings.ts';
import { configuration } from './checks/configuration.ts';
import { connectionStrings } from './checks/connection-strings.ts';
import { continuousArchiving } from './checks/continuous-archiving.ts';
import { directories } from './checks/directories.ts';
import { emptyIncomingDirectory } from './checks/empty-incoming-directory.ts';
import { emptyStreamingDirectory } from './checks/empty-streaming-directory.ts';
import { encryption } from './checks/encryption.ts';
import { exclusiveBackupSupported } from './checks/exclusive-backup-supported.ts';
import { failedBackups } from './checks/failed-backups.ts';
import { incomingWalsDirectory } from './checks/incoming-wals-directory.ts';
import { localPgdata } from './checks/local-pgdata.ts';
import { minimumRedundancyRequirements } from './checks/minimum-redundancy-requirements.ts';
import { monitoringPrivileges } from './checks/monitoring-privileges.ts';
import { notInRecovery } from './checks/not-in-recovery.ts';
import { pgBasebackup } from './checks/pg-basebackup.ts';
import { pgBasebackupCompatible } from './checks/pg-basebackup-compatible.ts';
import { pgBasebackupTablespaces } from './checks/pg-basebackup-tablespaces.ts';
import { pgReceivexlog } from './checks/pg-receivexlog.ts';
import { pgReceivexlogCompatible } from './checks/pg-receivexlog-compatible.ts';
import { postgresql } from './checks/postgresql.ts';
import { postgresqlStreaming } from './checks/postgresql-streaming.ts';
import { primaryIsPrimary } from './checks/primary-is-primary.ts';
import { primarySystemId } from './checks/primary-system-id.ts';
import { programs } from './checks/programs.ts';
import { receiveWalRunning } from './checks/receive-wal-running.ts';
import { replicationSlot } from './checks/replication-slot.ts';
import { retentionPolicySettings } from './checks/retention-policy-settings.ts';
import { serverIsStandby } from './checks/server-is-standby.ts';
import { ssh } from './checks/ssh.ts';
import { sshOutputClean } from './checks/ssh-output-clean.ts';
import { streamingWalsDirectory } from './checks/streaming-wals-directory.ts';
import { systemidCoherence } from './checks/systemid-coherence.ts';
import { unavailableOptions } from './checks/unavailable-options.ts';
import { walArchived } from './checks/wal-archived.ts';
import { walArrivals } from './checks/wal-arrivals.ts';
import { walContinuity } from './checks/wal-continuity.ts';
import { walFiles } from './checks/wal-files.ts';
import { walLevel } from './checks/wal-level.ts';
import { walMaximumAge } from './checks/wal-maximum-age.ts';
import { walSize } from './checks/wal-size.ts';
import { walSourceReplicationSlot } from './checks/wal-source-replication-slot.ts';
import { walSourceStreaming } from './checks/wal-source-streaming.ts';
import { walSourceSystemId } from './checks/wal-source-system-id.ts';
import { walSourceWalLevel } from './checks/wal-source-wal-level.ts';

/**
 * Every check in the order of the report: Barman's (docs/reference/config-checks-hooks.md section 9.2, docs/reference/since-3.17.md section 9), then ours. A new check
 * is a file in `checks` and a line here.
 */
export const allChecks: readonly Check[] = [
  walArchived,
  emptyIncomingDirectory,
  incomingWalsDirectory,
  emptyStreamingDirectory,
  streamingWalsDirectory,
  postgresql,
  backupPrivileges,
  postgresqlStreaming,
  walLevel,
  serverIsStandby,
  primaryIsPrimary,
  primarySystemId,
  monitoringPrivileges,
  walSourceStreaming,
  walSourceWalLevel,
  walSourceSystemId,
  walSourceReplicationSlot,
  replicationSlot,
  directories,
  retentionPolicySettings,
  backupMaximumAge,
  backupMinimumSize,
  encryption,
  cloudStorageConfiguration,
  walMaximumAge,
  walSize,
  compressionSettings,
  failedBackups,
  minimumRedundancyRequirements,
  pgBasebackup,
  pgBasebackupCompatible,
  pgBasebackupTablespaces,
  ssh,
  sshOutputClean,
  backupLabelLeft,
  localPgdata,
  notInRecovery,
  exclusiveBackupSupported,
  configuration,
  systemidCoherence,
  pgReceivexlog,
  pgReceivexlogCompatible,
  receiveWalRunning,
  archiveMode,
  archiveCommand,
  continuousArchiving,
  archiverErrors,
  backupRecordsReadable,
  backupFilesPresent,
  walContinuity,
  clusterFollowed,
  clusterLosses,
  walFiles,
  walArrivals,
  connectionStrings,
  programs,
  unavailableOptions,
];

/** The line of a server whose checks took too long; it is no member of the list, because it is about the others. */
export const checkTimeout = {
  name: 'check timeout',
  isCritical: true,
  about: 'Not in Barman',
  meaning: 'The time was up; the results of later checks are unknown. The hint names the check that was running.',
  remedies: ['check-slow'],
  isShownOnlyWhenFailed: true,
} as const satisfies Omit<Check, 'run' | 'appliesTo'>;
