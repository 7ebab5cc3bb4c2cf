/** What the command line of `backup` asks for; undefined leaves it to the configuration. */
export interface BackupRequest {
  readonly name: string | undefined;
  /** The backup to build an incremental one on: id, shortcut or name. */
  readonly incremental: string | undefined;
  readonly isCheckpointFast: boolean | undefined;
  readonly kilobytesPerSecond: number | undefined;
  readonly retryTimes: number | undefined;
  readonly retrySleepSeconds: number | undefined;
  /** How a file-level backup takes unchanged files from the one before. */
  readonly reuse: 'off' | 'copy' | 'link' | undefined;
  /** Parallel copies, and how many of them are started within how many seconds. */
  readonly jobs: number | undefined;
  readonly batchSize: number | undefined;
  readonly batchSeconds: number | undefined;
  /** 0 sends no queries to keep a session alive. */
  readonly keepaliveSeconds: number | undefined;
  /** Writes a manifest after a file-level backup. */
  readonly writesManifest: boolean | undefined;
  readonly checkTimeoutSeconds: number | undefined;
  /** Waits until the backup's WAL is archived. */
  readonly waits: boolean;
  /** 0 waits for ever. */
  readonly waitTimeoutSeconds: number;
}
