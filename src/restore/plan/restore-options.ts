import { type Backup, backupTypeOf } from '../../catalog/backups/backup.ts';
import type { ServerConfig } from '../../config/server-config.ts';
import { type CombineMode, combineModes } from '../fill/combine-chain.ts';
import type { Allowance } from '../guards/refusals.ts';

/** The values of `--target-tli`. */
export type TimelineChoice = number | 'current' | 'latest';
type TargetAction = 'pause' | 'shutdown' | 'promote';

/** Everything that `restore` can be asked for (docs/reference/cli.md section 9, docs/reference/since-3.17.md section 15.2), defaults from the configuration put in. */
export interface RestoreRequest {
  /** Id, shortcut, name or `auto`. */
  readonly backup: string;
  readonly destination: string;
  readonly targetTimeline?: TimelineChoice | undefined;
  readonly targetTime?: string | undefined;
  readonly targetXid?: string | undefined;
  readonly targetLsn?: string | undefined;
  readonly targetName?: string | undefined;
  readonly isImmediate: boolean;
  readonly isExclusive: boolean;
  readonly action?: TargetAction | undefined;
  /** Locations of relocated tablespaces by name. */
  readonly tablespaces: Readonly<Record<string, string>>;
  /** The restored server asks for WAL with `get-wal` instead of getting copies. */
  readonly fetchesWal: boolean;
  readonly standbyMode: boolean;
  readonly stagingWalDirectory?: string | undefined;
  /** 0 for no limit. */
  readonly kilobytesPerSecond: number;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
  readonly recoveryConfFilename?: string | undefined;
  /** Replaces the `restore_command` that `get-wal` would write. */
  readonly restoreCommand?: string | undefined;
  readonly takesPartialWal: boolean;
  readonly skipsArchiving: boolean;
  /** How the restored server calls us: `['barman']`, or `['pgcellar', '-c', '/etc/pgcellar.conf']`. */
  readonly programWords: readonly string[];
  /** `barman_user`: whom that call must run as. */
  readonly programUser: string;
  /** Folder that is unpacked and combined in when the destination cannot be used for it. */
  readonly stagingPath: string;
  readonly combineMode: CombineMode;
  /** Reaches the host that is restored to; undefined for this one. */
  readonly remoteSshCommand?: string | undefined;
  readonly stagingLocation: 'local' | 'remote';
  /** Brings files that are there to the state of the backup. */
  readonly isDelta: boolean;
  readonly usesNetworkCompression: boolean;
  readonly jobs: number;
  readonly jobsStartBatchSize: number;
  readonly jobsStartBatchPeriodSeconds: number;
  /** ssh port of this host, for the `restore_command` of another one. */
  readonly recoveryOptionPort?: number | undefined;
  /** The restored server is started and watched. */
  readonly startsServer: boolean;
  /** Guard rails that the operator has lifted. */
  readonly allowed: ReadonlySet<Allowance>;
  /** Options that are not built yet; only those of the command line, the configuration is looked at apart. */
  readonly notBuilt?: NotBuiltOptions | undefined;
}

/** Options that exist in Barman and not here yet. */
export interface NotBuiltOptions {
  readonly snapshotRecoveryInstance?: string | undefined;
  readonly snapshotRecoveryZone?: string | undefined;
  readonly gcpZone?: string | undefined;
  readonly azureResourceGroup?: string | undefined;
  readonly awsRegion?: string | undefined;
}

/** The consequence of an option that is not built: the restore cannot be done so, or goes on without it. */
export interface UnavailableChoice {
  readonly ignoring: 'refuse' | 'warn';
  readonly message: string;
}

/** The settings of the configuration, for options that the command line leaves out. */
export type RestoreDefaults = Pick<
  RestoreRequest,
  | 'fetchesWal'
  | 'kilobytesPerSecond'
  | 'retryTimes'
  | 'retrySleepSeconds'
  | 'combineMode'
  | 'isDelta'
  | 'usesNetworkCompression'
  | 'jobs'
  | 'jobsStartBatchSize'
  | 'jobsStartBatchPeriodSeconds'
>;

const notYet = 'not available yet in pgcellar 0.1.0';

const notBuiltOptions: readonly (readonly [keyof NotBuiltOptions, string, UnavailableChoice['ignoring']])[] = [
  ['snapshotRecoveryInstance', '--snapshot-recovery-instance', 'refuse'],
  ['snapshotRecoveryZone', '--snapshot-recovery-zone', 'refuse'],
  ['gcpZone', '--gcp-zone', 'refuse'],
  ['azureResourceGroup', '--azure-resource-group', 'refuse'],
  ['awsRegion', '--aws-region', 'refuse'],
];

/** The options of the command line that are not built. */
export function unavailableChoices({ notBuilt = {} }: Pick<RestoreRequest, 'notBuilt'>): readonly UnavailableChoice[] {
  return notBuiltOptions.flatMap(([key, option, usual]): UnavailableChoice[] => {
    const value = notBuilt[key];
    return value === undefined ? [] : [{ ignoring: usual, message: `${option} is ${notYet}` }];
  });
}

/** Why a backup of this kind cannot be restored yet; undefined when it can. */
export function unavailableKindOf(backup: Backup): string | undefined {
  const kind = kindOf(backup);
  return kind === undefined ? undefined : `restoring ${kind} is ${notYet}`;
}

/** Restore options of a server's configuration. */
export function restoreDefaults({ options }: ServerConfig): RestoreDefaults {
  return {
    fetchesWal: options.recovery_options.includes('get-wal'),
    kilobytesPerSecond: options.bandwidth_limit ?? 0,
    retryTimes: options.basebackup_retry_times,
    retrySleepSeconds: options.basebackup_retry_sleep,
    isDelta: options.recovery_options.includes('delta-restore'),
    usesNetworkCompression: options.network_compression,
    jobs: Math.max(options.parallel_jobs, 1),
    jobsStartBatchSize: options.parallel_jobs_start_batch_size,
    jobsStartBatchPeriodSeconds: options.parallel_jobs_start_batch_period,
    combineMode: combineModes.find((mode) => mode === options.combine_mode) ?? 'copy',
  };
}

/** Folders for staging as somebody named them, by today's name or the older ones. */
export interface NamedStaging {
  readonly path: string | undefined;
  /** `recovery_staging_path`: of the host that is restored to. */
  readonly recoveryPath: string | undefined;
  /** `local_staging_path`: of this host. */
  readonly localPath: string | undefined;
}

/** The programs that a server's configuration names. */
export function configuredStaging({ options }: ServerConfig): NamedStaging {
  const { staging_path: path, recovery_staging_path: recoveryPath, local_staging_path: localPath } = options;
  return { path, recoveryPath, localPath };
}

/**
 * Where a restore stages (docs/reference/cli.md section 9). Each of the older names stands for a host: only the one of the host that is restored to means that it is staged
 * there, unless a location was asked for.
 */
export function stagingOf(
  { path, recoveryPath, localPath }: NamedStaging,
  { location, isRemote }: { readonly location: 'local' | 'remote' | undefined; readonly isRemote: boolean },
): Pick<RestoreRequest, 'stagingPath' | 'stagingLocation'> {
  const isNamedThere = isRemote && path === undefined && recoveryPath !== undefined && localPath === undefined;
  const stagingLocation = location ?? (isNamedThere ? 'remote' : 'local');
  const older = stagingLocation === 'remote' ? (recoveryPath ?? localPath) : (localPath ?? recoveryPath);
  return { stagingPath: path ?? older ?? '/tmp', stagingLocation };
}

function kindOf(backup: Backup): string | undefined {
  if (backupTypeOf(backup) === 'snapshot' || backup.snapshotsInfo !== null) return 'a snapshot backup';
  if (backup.mode?.startsWith('local-to-cloud') === true) return 'a backup in a cloud store';
  return undefined;
}
