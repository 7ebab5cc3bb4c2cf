import type { Backup } from '../../catalog/backups/backup.ts';
import type { OperatorError } from '../../shared/operator-error.ts';
import type { BackupSource } from '../content/backup-source.ts';
import type { KeptLink } from '../content/restored-files.ts';
import type { RecoverySettings } from '../recovery/recovery-settings.ts';
import type { PlannedConfiguration } from '../recovery/source-configuration.ts';
import type { RecoveryTarget } from '../target/recovery-target.ts';
import type { PassedOver } from './choose-backup.ts';
import type { DestinationPlan } from './plan-destination.ts';
import type { TimelinePlan } from './plan-timeline.ts';
import type { WalPlan } from './plan-wals.ts';
import type { RestoreRequest } from './restore-options.ts';
import type { StageName } from './restore-rates.ts';

/** One folder of the restored server and where its content comes from. */
export interface PlannedTree {
  readonly kind: 'data' | 'tablespace';
  /** Of the tablespace. */
  readonly name: string | undefined;
  readonly source: string;
  readonly destination: string;
  readonly bytes: number;
  readonly files: number;
  readonly isExact: boolean;
  /** Of its files by their paths below it; undefined for what has to be unpacked or combined first. */
  readonly sizes?: ReadonlyMap<string, number> | undefined;
}

/** A folder that is made for a while. */
export interface PlannedStaging {
  /** `local`, or the host. */
  readonly host: string;
  readonly path: string;
  /** At most. */
  readonly bytes: number;
}

/** A file system that a restore writes to. */
export interface PlannedSpace {
  /** `local`, or the host. */
  readonly host: string;
  /** The first of the folders on it. */
  readonly path: string;
  readonly neededBytes: number;
  readonly freeBytes: number;
  /** Copies on it may share their blocks with the catalog, so it may need less. */
  readonly sharesBlocks: boolean;
}

/** A stage with what it has to move, and how long that may take. */
export interface PlannedStage {
  readonly stage: StageName;
  readonly bytes: number;
  /** Undefined when nothing like it was ever measured. */
  readonly seconds: number | undefined;
  readonly basis: 'earlier restores' | 'the copy of the backup' | 'nothing measured';
}

/** The decisions after a backup was chosen. */
export interface PlannedRestore {
  readonly backup: Backup;
  /** Why this backup. */
  readonly reason: string;
  /** Newer backups that were not taken. */
  readonly passedOver: readonly PassedOver[];
  readonly source: BackupSource;
  readonly places: DestinationPlan;
  /** Folders of the destination that lie elsewhere and stay there. */
  readonly keptLinks: readonly KeptLink[];
  readonly trees: readonly PlannedTree[];
  readonly spaces: readonly PlannedSpace[];
  readonly timelines: TimelinePlan;
  readonly wal: WalPlan;
  /** Undefined when there is nothing to say: the server then starts as after a crash. */
  readonly settings: RecoverySettings | undefined;
  readonly configuration: PlannedConfiguration;
  readonly staging: readonly PlannedStaging[];
  readonly stages: readonly PlannedStage[];
}

/** Everything that is decided before the first byte is written: what a dry run prints is what a run executes. */
export interface RestorePlan {
  readonly serverName: string;
  readonly request: RestoreRequest;
  readonly target: RecoveryTarget;
  readonly isPitr: boolean;
  /** Undefined when there is no backup to restore. */
  readonly planned: PlannedRestore | undefined;
  readonly warnings: readonly string[];
  /** Every reason against it; a plan with any is never executed. */
  readonly refusals: readonly OperatorError[];
}
