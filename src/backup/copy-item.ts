import type { Environment } from '../shared/environment.ts';
import type { Host } from '../transport/hosts/host.ts';

/** A folder of the cluster and its place in the backup. */
export interface CopyItem {
  /** For messages and statistics: the tablespace's name, or `pgdata`. */
  readonly label: string;
  /** Absolute path on the server's host. */
  readonly source: string;
  /** Absolute path in the backup. */
  readonly destination: string;
  readonly include?: readonly string[];
  readonly exclude: readonly string[];
  /** Where the backup before has the same folder. */
  readonly reference: string | undefined;
  /** 0 for no limit. */
  readonly kilobytesPerSecond: number;
}

export interface CopyClusterOptions {
  /** Resolves when the server is in backup mode: nothing is looked at before. */
  readonly begun: Promise<void>;
  readonly host: Host;
  readonly environment: Environment;
  readonly items: readonly CopyItem[];
  readonly reuse: 'copy' | 'link' | undefined;
  readonly horizonSeconds: number | undefined;
  readonly compresses: boolean;
  readonly jobs: number;
  readonly batchSize: number;
  readonly batchSeconds: number;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
}
