import { layOutUsage } from '../shared/lay-out-usage.ts';
import { voiceOf } from '../shared/voice.ts';

/** Options of each verb in the usage lines of Barman's parser, in its order; a verb that is not here has none of its own but `-h`. */
const optionsOf: Readonly<Record<string, readonly string[]>> = {
  backup: [
    '[--immediate-checkpoint]',
    '[--no-immediate-checkpoint]',
    '[--incremental BACKUP_ID]',
    '[--reuse-backup [{copy,link,off}]]',
    '[--retry-times RETRY_TIMES]',
    '[--retry-sleep RETRY_SLEEP]',
    '[--no-retry]',
    '[--jobs NJOBS]',
    '[--jobs-start-batch-period JOBS_START_BATCH_PERIOD]',
    '[--jobs-start-batch-size JOBS_START_BATCH_SIZE]',
    '[--bwlimit KBPS]',
    '[--wait]',
    '[--wait-timeout TIMEOUT]',
    '[--keepalive-interval KEEPALIVE_INTERVAL]',
    '[--name BACKUP_NAME]',
    '[--manifest]',
    '[--no-manifest]',
    '[--check-timeout CHECK_TIMEOUT]',
    '[--cloud-staging-directory CLOUD_STAGING_DIRECTORY]',
    '[--cloud-staging-max-size CLOUD_STAGING_MAX_SIZE]',
  ],
  check: ['[--nagios]', '[--check-timeout TIMEOUT]'],
  'check-wal-archive': ['[--timeline TIMELINE]'],
  'config-switch': ['[--reset]'],
  cron: ['[--keep-descriptors]'],
  diagnose: ['[--show-config-source]'],
  'export-backup': ['[--compression {gzip,bzip2,xz}]', '[--compression-level COMPRESSION_LEVEL]'],
  'get-wal': [
    '[--output-directory OUTPUT_DIRECTORY]',
    '[--partial]',
    '[--gzip]',
    '[--bzip2]',
    '[--keep-compression]',
    '[--peek SIZE]',
    '[--test]',
  ],
  keep: ['[-r]', '[-s]', '[--target {full,standalone}]'],
  'list-backups': ['[--minimal]'],
  'list-files': ['[--target {standalone,data,wal,full}]', '[--list-empty-directories]'],
  'list-servers': ['[--minimal]'],
  'put-wal': ['[--test]'],
  'receive-wal': ['[--stop]', '[--reset]', '[--create-slot]', '[--if-not-exists]', '[--drop-slot]'],
  'replication-status': ['[--minimal]', '[--target {all,hot-standby,wal-streamer}]', '[--source {backup-host,wal-host}]'],
  restore: [
    '[--target-tli TARGET_TLI]',
    '[--target-time TARGET_TIME]',
    '[--target-xid TARGET_XID]',
    '[--target-lsn TARGET_LSN]',
    '[--target-name TARGET_NAME]',
    '[--target-immediate]',
    '[--exclusive]',
    '[--tablespace NAME:LOCATION]',
    '[--remote-ssh-command SSH_COMMAND]',
    '[--staging-wal-directory STAGING_WAL_DIRECTORY]',
    '[--bwlimit KBPS]',
    '[--retry-times RETRY_TIMES]',
    '[--retry-sleep RETRY_SLEEP]',
    '[--no-retry]',
    '[--jobs NJOBS]',
    '[--jobs-start-batch-period JOBS_START_BATCH_PERIOD]',
    '[--jobs-start-batch-size JOBS_START_BATCH_SIZE]',
    '[--get-wal]',
    '[--no-get-wal]',
    '[--partial-wal]',
    '[--skip-archive-wal]',
    '[--network-compression]',
    '[--no-network-compression]',
    '[--target-action TARGET_ACTION]',
    '[--standby-mode]',
    '[--recovery-staging-path RECOVERY_STAGING_PATH]',
    '[--local-staging-path LOCAL_STAGING_PATH]',
    '[--staging-path STAGING_PATH]',
    '[--staging-location {local,remote}]',
    '[--combine-mode {copy,link,clone,copy-file-range}]',
    '[--recovery-conf-filename RECOVERY_CONF_FILENAME]',
    '[--recovery-option-port RECOVERY_OPTION_PORT]',
    '[--restore-command RESTORE_COMMAND]',
    '[--delta-restore]',
    '[--no-delta-restore]',
    '[--snapshot-recovery-instance SNAPSHOT_RECOVERY_INSTANCE]',
    '[--snapshot-recovery-zone SNAPSHOT_RECOVERY_ZONE]',
    '[--gcp-zone GCP_ZONE]',
    '[--azure-resource-group AZURE_RESOURCE_GROUP]',
    '[--aws-region AWS_REGION]',
  ],
  'switch-wal': ['[--force]', '[--archive]', '[--archive-timeout TIMEOUT]'],
};

/** The options before the verb. */
const globalOptions = [
  '[-h]',
  '[-v]',
  '[-c CONFIG]',
  '[--color {never,always,auto}]',
  '[--log-level {NOTSET,DEBUG,INFO,WARNING,ERROR,CRITICAL}]',
  '[-q]',
  '[-d]',
  '[-f {console,json}]',
];

/** Every verb of Barman, in the order in which it names them. */
const verbs =
  'help list-servers list-server list-processes list-process terminate-process cron lock-directory-cleanup backup list-backups list-backup status replication-status rebuild-xlogdb restore recover show-servers show-server switch-wal switch-xlog check diagnose sync-info sync-backup sync-wals show-backup show-backups list-files delete get-wal put-wal archive-wal receive-wal check-backup verify-backup verify export-backup import-backup generate-manifest keep check-wal-archive check-archived-wal-range config-switch config-update cloud-wal-archive cloud-wal-restore'.split(
    ' ',
  );

/** The lines before a mistake behind a verb; undefined under our own name and for verbs of ours. `positionals` are as the verb takes them. */
export function barmanUsage(programName: string, verb: string, positionals: readonly string[]): string | undefined {
  if (voiceOf(programName) !== 'barman' || !verbs.includes(verb)) return undefined;
  return layOutUsage(`${programName} ${verb}`, ['[-h]', ...(optionsOf[verb] ?? [])], positionals);
}

/** The same for a mistake before a verb, or in the verb itself. */
export function barmanGlobalUsage(programName: string): string | undefined {
  if (voiceOf(programName) !== 'barman') return undefined;
  return layOutUsage(programName, globalOptions, [`{${verbs.toSorted().join(',')}} ...`]);
}

/** Barman's text about a verb that it does not know. */
export function barmanUnknownVerb(verb: string): string {
  return `argument command: invalid choice: '${verb}' (choose from ${verbs.map((known) => `'${known}'`).join(', ')})`;
}
