import type { StageOutcome } from '../../restore/plan/restore-rates.ts';
import type { Timestamp } from '../../shared/timestamp.ts';

/** A line of a configuration file, with its number counted as Barman counts, from 0. */
export interface ConfigurationLine {
  readonly file: string;
  readonly line: number;
  readonly key: string;
  /** Null for a line that was taken out. */
  readonly value: string | null;
}

/** The result of a restore, and the settings that the operator has to review before starting the server. */
export interface RestoreReport {
  readonly changes: readonly ConfigurationLine[];
  readonly warnings: readonly ConfigurationLine[];
  readonly missingFiles: readonly string[];
  /** The restored server fetches WAL with `get-wal`. */
  readonly fetchesWal: boolean;
  /** The duration of each stage, in their order. */
  readonly stages: readonly StageOutcome[];
  readonly startedAt: Timestamp;
  readonly elapsedSeconds: number;
}
