import type { Backup } from '../../catalog/backups/backup.ts';
import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import type { BackupHostFacts, SystemFacts } from '../server/system-facts.ts';
import type { ServerFact } from './server-reports.ts';

/** A value of the configuration and the file that it comes from, or `default`. */
export interface SourcedValue {
  readonly value: unknown;
  readonly source: string;
}

export type SourcedValues = Readonly<Record<string, SourcedValue>>;

/** One server of a `diagnose`. */
export interface ServerDiagnosis {
  readonly name: string;
  readonly activeModel: string | undefined;
  readonly config: SourcedValues;
  /** Options of our own. */
  readonly ownConfig: SourcedValues;
  /** Problems of the configuration, and what of the catalog cannot be read. */
  readonly messages: readonly string[];
  readonly backups: readonly Backup[];
  /** Live state; nothing for a server that is inactive or passive. */
  readonly status: Readonly<Record<string, ServerFact>>;
  /** Undefined without `ssh_command`, or when the host cannot be reached. */
  readonly system: SystemFacts | undefined;
  /** Newest archived segment of each timeline, ascending. */
  readonly lastWals: readonly WalEntry[];
}

/** `diagnose`. */
export interface Diagnosis {
  readonly globalConfig: SourcedValues;
  readonly globalProblems: readonly string[];
  /** Our own version. */
  readonly version: string;
  readonly system: BackupHostFacts;
  readonly models: Readonly<Record<string, SourcedValues>>;
  readonly servers: readonly ServerDiagnosis[];
}
