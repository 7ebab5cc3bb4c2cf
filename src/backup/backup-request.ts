/** What the command line of `backup` asks for; undefined leaves it to the configuration. */
export interface BackupRequest {
  readonly name: string | undefined;
  readonly isCheckpointFast: boolean | undefined;
  readonly kilobytesPerSecond: number | undefined;
  readonly retryTimes: number | undefined;
  readonly retrySleepSeconds: number | undefined;
  readonly checkTimeoutSeconds: number | undefined;
  /** Waits until the backup's WAL is archived. */
  readonly waits: boolean;
  /** 0 waits for ever. */
  readonly waitTimeoutSeconds: number;
}
