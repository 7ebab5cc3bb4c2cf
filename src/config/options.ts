import { join } from 'node:path';
import { compressionNames } from '../compression/codec-names.ts';
import { backupMethodNames } from './backup-methods.ts';
import {
  absolutePath,
  command,
  compressionLevel,
  count,
  cronExpression,
  encryptionKind,
  flag,
  hexBytes,
  integer,
  interval,
  nameList,
  type OptionKind,
  oneOf,
  path,
  pathOrUrl,
  positive,
  rate,
  setOf,
  size,
  slotName,
  tablespaceRates,
  text,
  unsettable,
} from './option-kind.ts';

/**
 * Where a key may stand: G in `[barman]` as the default of all servers, S in a server section, M in a model;
 * `internal` nowhere (docs/reference/since-3.17.md section 16).
 */
export type OptionScope = 'GSM' | 'SM' | 'GS' | 'S' | 'internal';

/** Work that an option belongs to. */
export type Work = 'backup' | 'archive' | 'restore' | 'delete' | 'sync' | 'cloud';

/** The feature behind an option, or behind some of its values, does not exist yet. */
export interface LaterFeature {
  readonly work: readonly Work[];
  /** Whether the work can go on without it and says so (`warn`), or must not (`refuse`). */
  readonly ignoring: 'warn' | 'refuse';
  /** The values it is about; all of them when left out. */
  readonly values?: readonly string[];
}

/** The values that a default is derived from; each is known when it is needed. */
export interface KnownValues {
  readonly name: string;
  readonly home: string;
  readonly backupDirectory: string;
  readonly walsDirectory: string;
  readonly conninfo: string | undefined;
}

export interface OptionDeclaration {
  readonly kind: OptionKind<unknown>;
  readonly scope: OptionScope;
  /** Value when nobody sets the key; unset when this and `derive` are left out. */
  readonly default?: unknown;
  readonly derive?: (known: KnownValues) => string | undefined;
  /** The default in words, where its value would not tell. */
  readonly defaultText?: string;
  readonly later?: LaterFeature;
  /** An option of ours: Barman does not know it, and what Barman prints does not have it. */
  readonly isOurs?: true;
  /** One sentence for the reference in docs/configuration.md. */
  readonly summary: string;
}

const gibibyte = 1024 ** 3;
const walCompression = unsettable(
  oneOf(compressionNames, (value) => `Invalid value: '${value}' (must be one in: ${compressionNames.join(', ')})`),
);

/**
 * Every option of a server, by the names of Barman 3.20.1 (docs/reference/config-checks-hooks.md section 3, docs/reference/since-3.17.md section 16). This table is
 * what the configuration is read, checked and documented from.
 */
const serverOptions = {
  active: {
    kind: flag,
    scope: 'SM',
    default: true,
    summary: 'Whether jobs and commands that connect to PostgreSQL or store data work on this server.',
  },
  archiver: {
    kind: flag,
    scope: 'GSM',
    default: false,
    summary:
      'Archive WAL that PostgreSQL or `put-wal` puts into the incoming folder; turned on when no archiver is configured.',
  },
  archiver_batch_size: {
    kind: count,
    scope: 'GSM',
    default: 0,
    summary: 'Maximum number of WAL files that one archiving run takes from the incoming folder; 0 is no limit.',
  },
  autogenerate_manifest: {
    kind: flag,
    scope: 'GSM',
    default: false,
    summary: 'Write a `backup_manifest` after each `rsync` backup.',
  },
  aws_await_snapshots_timeout: {
    kind: integer,
    scope: 'GSM',
    default: 3600,
    later: { work: ['backup'], ignoring: 'warn' },
    summary: 'Seconds to wait for EBS snapshots to complete.',
  },
  aws_check_object_lock: {
    kind: flag,
    scope: 'GSM',
    default: false,
    later: { work: ['delete'], ignoring: 'refuse' },
    summary: 'Before deleting backup objects from S3, test their retention date and legal hold.',
  },
  aws_encryption: {
    kind: oneOf(['AES256', 'aws:kms']),
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'refuse' },
    summary: 'Server-side encryption of uploads to S3.',
  },
  aws_profile: {
    kind: text,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Profile of the AWS configuration to use.',
  },
  aws_read_timeout: {
    kind: integer,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Seconds before a read from S3 is given up.',
  },
  aws_region: {
    kind: text,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'AWS region of the instance, its disks and the bucket.',
  },
  aws_snapshot_lock_cool_off_period: {
    kind: integer,
    scope: 'GSM',
    later: { work: ['backup'], ignoring: 'refuse' },
    summary: 'Hours (1 to 72) in which a compliance lock may still be changed.',
  },
  aws_snapshot_lock_duration: {
    kind: integer,
    scope: 'GSM',
    later: { work: ['backup'], ignoring: 'refuse' },
    summary: 'Days (1 to 36500) for which a snapshot is locked.',
  },
  aws_snapshot_lock_expiration_date: {
    kind: text,
    scope: 'GSM',
    later: { work: ['backup'], ignoring: 'refuse' },
    summary: 'Instant until which a snapshot is locked, as `YYYY-MM-DDTHH:MM:SS.sssZ`; excludes a duration.',
  },
  aws_snapshot_lock_mode: {
    kind: oneOf(['governance', 'compliance']),
    scope: 'GSM',
    later: { work: ['backup'], ignoring: 'refuse' },
    summary: 'Lock EBS snapshots in this mode.',
  },
  aws_sse_customer_key: {
    kind: text,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'refuse' },
    summary: '`file://` and the absolute path of a file with the base64 key for SSE-C.',
  },
  aws_sse_kms_key_id: {
    kind: text,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'refuse' },
    summary: 'KMS key for uploads; needs `aws_encryption = aws:kms`.',
  },
  azure_credential: {
    kind: oneOf(['azure-cli', 'managed-identity', 'default']),
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Kind of Azure credential to use.',
  },
  azure_resource_group: {
    kind: text,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Azure resource group of the instance and its disks.',
  },
  azure_subscription_id: {
    kind: text,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Azure subscription of the instance and its disks.',
  },
  backup_compression: {
    kind: oneOf(
      ['gzip', 'lz4', 'zstd', 'none'],
      (value) => `Invalid value '${value}'(must be one in: ['gzip', 'lz4', 'zstd', 'none'])`,
    ),
    scope: 'GSM',
    summary: 'Let `pg_basebackup` write compressed tar files; `none` is an uncompressed tar.',
  },
  backup_compression_format: {
    kind: oneOf(['tar', 'plain'], () => 'Invalid value (must be either `plain` or `tar`)'),
    scope: 'GSM',
    summary: 'Stored form of a compressed backup: tar files, or plain files after a server-side compressed transfer.',
  },
  backup_compression_level: {
    kind: integer,
    scope: 'GSM',
    summary: 'Level for `backup_compression`.',
  },
  backup_compression_location: {
    kind: oneOf(['client', 'server'], () => 'Invalid value (must be either `client` or `server`)'),
    scope: 'GSM',
    summary: 'Host on which a backup is compressed.',
  },
  backup_compression_workers: {
    kind: integer,
    scope: 'GSM',
    summary: 'Threads for zstd compression of a backup.',
  },
  backup_directory: {
    kind: path,
    scope: 'S',
    derive: ({ home, name }) => join(home, name),
    defaultText: '`barman_home`/NAME',
    summary: 'Folder of everything that belongs to this server.',
  },
  backup_after_switch: {
    kind: flag,
    scope: 'GSM',
    default: false,
    isOurs: true,
    summary:
      'Not in Barman: `cron` and `schedule` take a backup by themselves after the primary of a cluster has changed, or WAL was lost on the way.',
  },
  backup_from: {
    kind: oneOf(['primary', 'standby', 'prefer-standby']),
    scope: 'GSM',
    default: 'primary',
    isOurs: true,
    summary:
      'Not in Barman: the node of a cluster that backups are taken from; `prefer-standby` takes the primary when no standby is suitable. It has no effect without a cluster.',
  },
  backup_method: {
    kind: oneOf(
      backupMethodNames,
      () => `Invalid value (must be one in: ${backupMethodNames.map((name) => `'${name}'`).join(', ')})`,
    ),
    scope: 'GSM',
    default: 'rsync',
    later: { work: ['backup'], ignoring: 'refuse', values: ['snapshot', 'local-to-cloud'] },
    summary:
      'How base backups are taken: `postgres` runs `pg_basebackup`, `rsync` copies files over ssh, `local-rsync` files of this host.',
  },
  backup_schedule: {
    kind: cronExpression,
    scope: 'GSM',
    isOurs: true,
    summary:
      'When `pgcellar schedule` takes a backup: a cron expression (five fields, or six that begin with seconds, or `@daily` and the like), and after it a time zone such as `Europe/Berlin`; the zone of the host when there is none. Not an option of Barman, which warns about it and continues.',
  },
  backup_options: {
    kind: setOf(['concurrent_backup', 'exclusive_backup', 'external_configuration'], ['concurrent_backup', 'exclusive_backup']),
    scope: 'GSM',
    default: [],
    defaultText: 'empty',
    summary:
      'How a backup is taken: `concurrent_backup` or `exclusive_backup`, and `external_configuration` to leave out configuration files that lie outside the data folder.',
  },
  bandwidth_limit: { kind: rate, scope: 'GSM', summary: 'Maximum kilobytes per second of a backup or a restore.' },
  basebackup_retry_sleep: {
    kind: count,
    scope: 'GSM',
    default: 30,
    summary: 'Seconds between two attempts at copying a backup.',
  },
  basebackup_retry_times: {
    kind: count,
    scope: 'GSM',
    default: 0,
    summary: 'Number of times that copying a backup is tried again.',
  },
  basebackups_directory: {
    kind: pathOrUrl,
    scope: 'S',
    derive: ({ backupDirectory }) => join(backupDirectory, 'base'),
    defaultText: '`backup_directory`/base',
    summary: 'Folder of the base backups, or a cloud destination.',
  },
  check_timeout: {
    kind: count,
    scope: 'GSM',
    default: 30,
    summary: 'Seconds after which the checks of one server end; 0 waits for ever.',
  },
  cloud_delete_batch_size: {
    kind: integer,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Objects in one delete request to a cloud store.',
  },
  cloud_staging_directory: {
    kind: absolutePath,
    scope: 'GSM',
    default: '/tmp/barman/cloud-staging',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Folder that `pg_basebackup` writes to before files are uploaded.',
  },
  cloud_staging_max_size: {
    kind: size,
    scope: 'GSM',
    default: 30 * gibibyte,
    defaultText: '30Gi',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Size of the staging folder at which `pg_basebackup` is paused.',
  },
  cloud_upload_max_archive_size: {
    kind: size,
    scope: 'SM',
    default: 100 * gibibyte,
    defaultText: '100Gi',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Size at which an uploaded tar file is followed by another one.',
  },
  cloud_upload_min_chunk_size: {
    kind: size,
    scope: 'SM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Smallest part of an upload in parts.',
  },
  cloud_wal_archive_parallel: {
    kind: integer,
    scope: 'GSM',
    default: 0,
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Default of `cloud-wal-archive --parallel`.',
  },
  cloud_wal_restore_parallel: {
    kind: integer,
    scope: 'GSM',
    default: 0,
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Default of `cloud-wal-restore --parallel`.',
  },
  cluster: {
    kind: text,
    scope: 'SM',
    derive: ({ name }) => name,
    defaultText: 'NAME',
    summary: 'Name that ties servers and models together.',
  },
  cluster_ca_file: {
    kind: absolutePath,
    scope: 'SM',
    isOurs: true,
    summary:
      'Not in Barman: certificates that the REST interface of `cluster_url` is verified against; those of the system when unset.',
  },
  cluster_cert_file: {
    kind: absolutePath,
    scope: 'SM',
    isOurs: true,
    summary: 'Not in Barman: client certificate for `cluster_url`.',
  },
  cluster_key_file: {
    kind: absolutePath,
    scope: 'SM',
    isOurs: true,
    summary: 'Not in Barman: key of `cluster_cert_file`; in that file when unset.',
  },
  cluster_nodes: {
    kind: oneOf(['conninfo', 'repmgr', 'patroni', 'off']),
    scope: 'SM',
    isOurs: true,
    defaultText: '`conninfo` for a string with several hosts that asks for no standby, else `off`',
    summary:
      'Not in Barman: source of the nodes of the cluster whose primary is followed: the hosts of `conninfo`, the table `repmgr.nodes`, or the REST interface of Patroni. `cluster` takes the same words.',
  },
  cluster_slots: {
    kind: oneOf(['primary', 'all']),
    scope: 'GSM',
    default: 'primary',
    isOurs: true,
    summary:
      'Not in Barman: the nodes that keep the slot of `slot_name`: the primary alone, or all, so that a promoted standby still has the WAL that pgcellar lacks.',
  },
  cluster_ssh: {
    kind: command,
    scope: 'SM',
    isOurs: true,
    summary:
      'Not in Barman: ssh command for a node, with `%h` for its host; backups by `rsync` use it, and missing WAL is read through it from a node that is down.',
  },
  cluster_url: {
    kind: text,
    scope: 'SM',
    isOurs: true,
    summary:
      'Not in Barman: address of the REST interface of Patroni, or of several nodes with blanks between them, as `https://user:password@host:8008`.',
  },
  combine_mode: {
    kind: oneOf(
      ['copy', 'link', 'clone', 'copy-file-range'],
      (value) => `Invalid value: ${value} (options are: copy, link, clone, copy-file-range)`,
    ),
    scope: 'GSM',
    default: 'copy',
    summary: 'How `pg_combinebackup` transfers files when a chain of incremental backups is restored.',
  },
  compression: {
    kind: walCompression,
    scope: 'GSM',
    summary: 'How WAL files are compressed in the archive; `pygzip` and `pybzip2` are the older names of `gzip` and `bzip2`.',
  },
  compression_level: {
    kind: compressionLevel,
    scope: 'GSM',
    default: 'medium',
    summary:
      'Level for `compression`, limited to the range of the algorithm; `medium` of zstd is a set of parameters for WAL instead of a level.',
  },
  conninfo: {
    kind: text,
    scope: 'SM',
    summary:
      'Connection to PostgreSQL for queries, as blank separated `key=value` pairs; required unless the server is passive.',
  },
  create_slot: {
    kind: oneOf(['manual', 'auto'], () => "Invalid value (use 'manual' or 'auto')"),
    scope: 'GSM',
    default: 'manual',
    summary: 'With `auto`, `receive-wal` creates the missing replication slot.',
  },
  custom_compression_filter: {
    kind: text,
    scope: 'GSM',
    summary: 'Shell command that compresses standard input to standard output for `compression = custom`.',
  },
  custom_compression_magic: {
    kind: hexBytes,
    scope: 'GSM',
    summary:
      'First bytes of a file of the custom compression, as `0x` and hexadecimal digits. Without it, every file of the archive in no other known format counts as one.',
  },
  custom_decompression_filter: {
    kind: text,
    scope: 'GSM',
    summary: 'Shell command that decompresses standard input to standard output for `compression = custom`.',
  },
  description: { kind: text, scope: 'SM', summary: 'Description of the server, for lists.' },
  disabled: {
    kind: flag,
    scope: 'internal',
    default: false,
    summary: 'Set when the configuration of the server has a problem; cannot be configured.',
  },
  encryption: {
    kind: encryptionKind,
    scope: 'GSM',
    summary:
      'Encrypt backups and WAL: `gpg` or `none`. Needs `encryption_key_id`, `backup_method = postgres`, `backup_compression` and `backup_compression_format = tar`.',
  },
  encryption_key_id: {
    kind: text,
    scope: 'GSM',
    summary: 'Key of the encryption, as `gpg --recipient` takes it.',
  },
  encryption_passphrase_command: {
    kind: command,
    scope: 'GSM',
    summary: 'Command that prints the passphrase for reading encrypted files.',
  },
  errors_directory: {
    kind: path,
    scope: 'S',
    derive: ({ backupDirectory }) => join(backupDirectory, 'errors'),
    defaultText: '`backup_directory`/errors',
    summary: 'Folder of rejected WAL files.',
  },
  forward_config_path: {
    kind: flag,
    scope: 'GSM',
    default: false,
    later: { work: ['sync'], ignoring: 'warn' },
    summary: 'On a passive node: pass our configuration path to the program on the primary backup host.',
  },
  gcp_project: {
    kind: text,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Google Cloud project of the instance.',
  },
  gcp_zone: {
    kind: text,
    scope: 'SM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Google Cloud zone of the instance.',
  },
  hook_timeout: {
    kind: count,
    scope: 'GSM',
    default: 0,
    isOurs: true,
    summary:
      'Seconds that a hook script may take. After that it ends, with all its processes, and counts as failed; 0 is no limit. Not an option of Barman, which warns about it and continues.',
  },
  immediate_checkpoint: {
    kind: flag,
    scope: 'GSM',
    default: false,
    summary: 'Ask for an immediate checkpoint at the start of a backup instead of waiting for the next one.',
  },
  incoming_wals_directory: {
    kind: path,
    scope: 'S',
    derive: ({ backupDirectory }) => join(backupDirectory, 'incoming'),
    defaultText: '`backup_directory`/incoming',
    summary: 'Folder that `archive_command` copies WAL to.',
  },
  keepalive_interval: {
    kind: count,
    scope: 'SM',
    default: 60,
    summary: 'Seconds between two keep-alive queries while a file-level backup runs; 0 sends none.',
  },
  last_backup_maximum_age: { kind: interval, scope: 'GSM', summary: '`check` fails when the newest backup is older.' },
  last_backup_minimum_size: { kind: size, scope: 'GSM', summary: '`check` fails when the newest backup is smaller.' },
  last_wal_maximum_age: { kind: interval, scope: 'GSM', summary: '`check` fails when the newest archived WAL is older.' },
  local_staging_path: {
    kind: absolutePath,
    scope: 'GSM',
    summary: 'Older name of `staging_path` with `staging_location = local`.',
  },
  max_incoming_wals_queue: { kind: count, scope: 'GSM', summary: '`check` fails when more WAL files wait to be archived.' },
  minimum_redundancy: {
    kind: integer,
    scope: 'GSM',
    default: 0,
    summary: 'Number of backups that the retention policy must keep; `delete` refuses to go below it.',
  },
  network_compression: {
    kind: flag,
    scope: 'GSM',
    default: false,
    summary: 'Compress the data that `rsync` transfers.',
  },
  parallel_jobs: {
    kind: positive,
    scope: 'GSM',
    default: 1,
    summary: 'Parallel copies of an `rsync` backup or restore.',
  },
  parallel_jobs_start_batch_period: {
    kind: count,
    scope: 'GSM',
    default: 1,
    summary: 'Seconds in which at most one batch of parallel copies is started.',
  },
  parallel_jobs_start_batch_size: {
    kind: positive,
    scope: 'GSM',
    default: 10,
    summary: 'Parallel copies in one batch.',
  },
  path_prefix: { kind: text, scope: 'GSM', summary: 'Colon separated folders that are searched for programs before `PATH`.' },
  post_archive_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run after a WAL file is archived, again until it succeeds or asks to stop.',
  },
  post_archive_script: { kind: command, scope: 'GS', summary: 'Command run once after a WAL file is archived.' },
  post_backup_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run after a base backup, again until it succeeds or asks to stop.',
  },
  post_backup_script: { kind: command, scope: 'GS', summary: 'Command run once after a base backup.' },
  post_delete_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run after a backup is deleted, again until it succeeds or asks to stop.',
  },
  post_delete_script: { kind: command, scope: 'GS', summary: 'Command run once after a backup is deleted.' },
  post_recovery_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run after a restore, again until it succeeds or asks to stop.',
  },
  post_recovery_script: { kind: command, scope: 'GS', summary: 'Command run once after a restore.' },
  post_wal_delete_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run after a WAL file is deleted, again until it succeeds or asks to stop.',
  },
  post_wal_delete_script: { kind: command, scope: 'GS', summary: 'Command run once after a WAL file is deleted.' },
  pre_archive_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run before a WAL file is archived, again until it succeeds or asks to stop.',
  },
  pre_archive_script: { kind: command, scope: 'GS', summary: 'Command run once before a WAL file is archived.' },
  pre_backup_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run before a base backup, again until it succeeds or asks to stop.',
  },
  pre_backup_script: { kind: command, scope: 'GS', summary: 'Command run once before a base backup.' },
  pre_delete_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run before a backup is deleted, again until it succeeds or asks to stop.',
  },
  pre_delete_script: { kind: command, scope: 'GS', summary: 'Command run once before a backup is deleted.' },
  pre_recovery_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run before a restore, again until it succeeds or asks to stop.',
  },
  pre_recovery_script: { kind: command, scope: 'GS', summary: 'Command run once before a restore.' },
  pre_wal_delete_retry_script: {
    kind: command,
    scope: 'GS',
    summary: 'Command run before a WAL file is deleted, again until it succeeds or asks to stop.',
  },
  pre_wal_delete_script: { kind: command, scope: 'GS', summary: 'Command run once before a WAL file is deleted.' },
  primary_checkpoint_timeout: {
    kind: count,
    scope: 'SM',
    default: 0,
    summary: 'For backups from a standby: seconds to wait for a checkpoint of the primary before a WAL switch is forced there.',
  },
  primary_conninfo: {
    kind: text,
    scope: 'SM',
    summary: 'Connection to the primary of the standby that is backed up.',
  },
  primary_ssh_command: {
    kind: text,
    scope: 'GSM',
    later: { work: ['sync'], ignoring: 'refuse' },
    summary: 'Makes the server passive: SSH command to the backup host that it copies from.',
  },
  restore_ahead: {
    kind: flag,
    scope: 'GSM',
    isOurs: true,
    default: true,
    summary:
      'Whether `pgcellar-wal-restore` may fetch segments ahead of replay when its command line has no `-p`. Not an option of Barman, which warns about it and continues.',
  },
  recovery_options: {
    kind: setOf(['get-wal', 'delta-restore']),
    scope: 'GSM',
    default: [],
    defaultText: 'empty',
    summary: 'Defaults of `restore`: fetch WAL with `get-wal`, copy only changed files.',
  },
  recovery_staging_path: {
    kind: absolutePath,
    scope: 'GSM',
    summary: 'Older name of `staging_path` with `staging_location = remote`.',
  },
  retention_policy: {
    kind: text,
    scope: 'GSM',
    summary: 'Which backups are kept: `REDUNDANCY n` or `RECOVERY WINDOW OF n DAYS|WEEKS|MONTHS`.',
  },
  retention_policy_mode: { kind: text, scope: 'GSM', default: 'auto', summary: 'Only `auto`.' },
  reuse_backup: {
    kind: oneOf(['copy', 'link', 'off'], () => "Invalid value (use 'copy', 'link' or 'off')"),
    scope: 'GSM',
    summary: 'Take unchanged files of an `rsync` backup from the previous one.',
  },
  slot_name: { kind: slotName, scope: 'GSM', summary: 'Replication slot of the WAL receiver.' },
  snapshot_disks: {
    kind: nameList,
    scope: 'SM',
    later: { work: ['backup'], ignoring: 'refuse' },
    summary: 'Disks that a snapshot backup covers.',
  },
  snapshot_gcp_project: {
    kind: text,
    scope: 'GSM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Older name of `gcp_project`.',
  },
  snapshot_instance: {
    kind: text,
    scope: 'SM',
    later: { work: ['backup'], ignoring: 'refuse' },
    summary: 'Instance whose disks are snapshotted.',
  },
  snapshot_provider: {
    kind: oneOf(['aws', 'azure', 'gcp']),
    scope: 'GSM',
    later: { work: ['backup'], ignoring: 'refuse' },
    summary: 'Cloud of a snapshot backup.',
  },
  snapshot_zone: {
    kind: text,
    scope: 'SM',
    later: { work: ['cloud'], ignoring: 'warn' },
    summary: 'Older name of `gcp_zone`.',
  },
  ssh_command: {
    kind: text,
    scope: 'SM',
    summary: 'SSH command to the PostgreSQL host, for `rsync` backups.',
  },
  staging_location: {
    kind: oneOf(['local', 'remote'], (value) => `Invalid value: ${value} (options are: local, remote)`),
    scope: 'GSM',
    default: 'local',
    summary: 'Host on which a restore stages compressed, encrypted or incremental backups.',
  },
  staging_path: {
    kind: absolutePath,
    scope: 'GSM',
    defaultText: '`/tmp` when one is needed',
    summary: 'Folder in which a restore stages compressed, encrypted or incremental backups.',
  },
  streaming_archiver: { kind: flag, scope: 'GSM', default: false, summary: 'Receive WAL with `pg_receivewal`.' },
  streaming_archiver_batch_size: {
    kind: count,
    scope: 'GSM',
    default: 0,
    summary: 'Maximum number of WAL files that one archiving run takes from the streaming folder; 0 is no limit.',
  },
  streaming_archiver_name: {
    kind: text,
    scope: 'GSM',
    default: 'barman_receive_wal',
    summary: '`application_name` of the WAL receiver.',
  },
  streaming_backup_name: {
    kind: text,
    scope: 'GSM',
    default: 'barman_streaming_backup',
    summary: '`application_name` of `pg_basebackup`.',
  },
  streaming_conninfo: {
    kind: text,
    scope: 'SM',
    derive: ({ conninfo }) => conninfo,
    defaultText: 'value of `conninfo`',
    summary: 'Replication connection to PostgreSQL.',
  },
  streaming_wals_directory: {
    kind: path,
    scope: 'S',
    derive: ({ backupDirectory }) => join(backupDirectory, 'streaming'),
    defaultText: '`backup_directory`/streaming',
    summary: 'Folder of the WAL receiver.',
  },
  tablespace_bandwidth_limit: {
    kind: tablespaceRates,
    scope: 'GSM',
    summary: 'Maximum kilobytes per second for single tablespaces of an `rsync` backup.',
  },
  verify_checksums: {
    kind: oneOf(['off', 'report', 'fail']),
    scope: 'GSM',
    isOurs: true,
    default: 'off',
    summary:
      'Not in Barman: verify the checksum of every page that a file-level backup copies, where the cluster has checksums: `report` names wrong pages, `fail` also fails the backup.',
  },
  wal_conninfo: {
    kind: text,
    scope: 'SM',
    summary: 'Connection for queries about WAL, when WAL is received from another server than the one backed up.',
  },
  wal_retention_policy: {
    kind: text,
    scope: 'GSM',
    default: 'main',
    summary: 'Only `main`: WAL stays as long as a backup needs it.',
  },
  wal_streaming_conninfo: {
    kind: text,
    scope: 'SM',
    summary: 'Replication connection for receiving WAL, when it comes from another server than the one backed up.',
  },
  wals_directory: {
    kind: pathOrUrl,
    scope: 'S',
    derive: ({ backupDirectory }) => join(backupDirectory, 'wals'),
    defaultText: '`backup_directory`/wals',
    summary: 'The WAL archive, or a cloud destination.',
  },
  warehousepg_dbid: {
    kind: integer,
    scope: 'GSM',
    later: { work: ['backup'], ignoring: 'refuse' },
    summary: 'Value of `pg_basebackup --target-gp-dbid`.',
  },
  worm_mode: {
    kind: flag,
    scope: 'GSM',
    default: false,
    later: { work: ['archive', 'backup', 'delete'], ignoring: 'refuse' },
    summary: 'The catalog is on storage where written files cannot be changed.',
  },
  xlogdb_directory: {
    kind: path,
    scope: 'GS',
    derive: ({ walsDirectory }) => walsDirectory,
    defaultText: '`wals_directory`',
    summary: 'Folder of the WAL index.',
  },
} as const satisfies Record<string, OptionDeclaration>;

/** Options that stand in `[barman]` (or `[pgcellar]`) only (docs/reference/config-checks-hooks.md section 2). */
export const globalOptions = {
  barman_home: {
    kind: path,
    summary: 'Folder of the catalog: one folder per server, unless its `backup_directory` says otherwise. Required.',
  },
  barman_lock_directory: { kind: path, defaultText: '`barman_home`', summary: 'Folder of the lock files; it must exist.' },
  barman_user: {
    kind: text,
    default: 'barman',
    summary: 'Operating system user that owns the catalog; root switches to it, other users are refused.',
  },
  config_changes_queue: {
    kind: path,
    defaultText: '`barman_home`/cfg_changes.queue',
    summary: 'File of configuration changes that wait to be applied.',
  },
  configuration_files_directory: {
    kind: path,
    summary: 'Folder whose `*.conf` files are read too, in the order of their names.',
  },
  lock_directory_cleanup: { kind: flag, default: true, summary: 'Whether `cron` removes lock files that nobody holds.' },
  log_file: { kind: path, summary: 'File of the log; standard error when unset.' },
  log_format: {
    kind: text,
    default: '%(asctime)s [%(process)s] %(name)s %(levelname)s: %(message)s',
    summary: 'Format of a log line.',
  },
  log_level: {
    kind: text,
    default: 'INFO',
    summary: 'Least severe level that is logged: `DEBUG`, `INFO`, `WARNING`, `ERROR`, `CRITICAL` or a number.',
  },
} as const satisfies Record<string, Omit<OptionDeclaration, 'scope'>>;

/** A server option's name. */
export type ServerOptionName = keyof typeof serverOptions;
/** A global option's name. */
export type GlobalOptionName = keyof typeof globalOptions;

type ReadBy<D> = D extends { readonly kind: OptionKind<infer T> } ? T : never;
type UnlessDefaulted<D> = D extends { readonly default: unknown } ? never : DerivedOr<D>;
type DerivedOr<D> = D extends { readonly derive: (known: KnownValues) => infer R } ? R : undefined;

/** Every option of one server with its effective value: sizes in bytes, intervals in seconds, unset is undefined. */
export type ServerOptions = {
  readonly [K in ServerOptionName]: ReadBy<(typeof serverOptions)[K]> | UnlessDefaulted<(typeof serverOptions)[K]>;
};

/** Every global option with its effective value. */
export interface GlobalOptions {
  readonly barman_home: string;
  readonly barman_lock_directory: string;
  readonly barman_user: string;
  readonly config_changes_queue: string;
  readonly configuration_files_directory: string | undefined;
  readonly lock_directory_cleanup: boolean;
  readonly log_file: string | undefined;
  readonly log_format: string;
  readonly log_level: string;
}

/** Every server option's name, sorted. */
export const serverOptionNames: readonly ServerOptionName[] = Object.keys(serverOptions).toSorted() as ServerOptionName[]; // the keys of that very object

/** The same without options of our own: what Barman prints. */
export const barmanServerOptionNames: readonly ServerOptionName[] = serverOptionNames.filter(
  (name) => declarationOf(name).isOurs !== true,
);

/** Options of our own. */
export const ownServerOptionNames: readonly ServerOptionName[] = serverOptionNames.filter(
  (name) => declarationOf(name).isOurs === true,
);

/** Whether a key belongs to servers. */
export function isServerOption(key: string): key is ServerOptionName {
  return Object.hasOwn(serverOptions, key);
}

/** Whether a key belongs to the global section only. */
export function isGlobalOption(key: string): key is GlobalOptionName {
  return Object.hasOwn(globalOptions, key);
}

/** The row of the table for a key, with the types of all rows alike. */
export function declarationOf(key: ServerOptionName): OptionDeclaration {
  return serverOptions[key];
}
