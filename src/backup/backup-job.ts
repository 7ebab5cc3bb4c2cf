import type { Backup } from '../catalog/backups/backup.ts';
import { type BackupFiles, backupFilesOf } from '../catalog/backups/backup-files.ts';
import { formatBackupInfo, parseBackupInfo, requirePossible } from '../catalog/backups/backup-info.ts';
import { writeBackupRecord } from '../catalog/backups/backup-records.ts';
import type { Server } from '../config/server.ts';
import type { BackupFacts } from '../postgres/backup-facts.ts';
import type { Connection } from '../postgres/connect.ts';
import type { ServerNodes } from '../postgres/server-nodes.ts';
import type { Context } from '../shared/context.ts';
import { OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/hosts/host.ts';
import { formatLsn, type Lsn } from '../wal/lsn.ts';
import { hex8 } from '../wal/wal-name.ts';

interface JobParts {
  readonly server: Server;
  readonly settings: BackupSettings;
  readonly context: Context;
  /** For queries, to the server that `conninfo` names; open until the backup has ended. */
  readonly connection: Connection;
  /** Of the server, the one of `connection` chosen. */
  readonly nodes: ServerNodes;
  readonly facts: BackupFacts;
  /** See `BackupMethod.host`; open as long as the connection. */
  readonly host: Host | undefined;
  /** The backups that this one is built on, its parent first; none for a full one. */
  readonly ancestors: readonly Backup[];
}

/** One backup under way: what it works with, its record, and what it is doing, which is what a failure names. */
export class BackupJob implements AsyncDisposable {
  readonly server: Server;
  readonly settings: BackupSettings;
  readonly context: Context;
  readonly nodes: ServerNodes;
  readonly facts: BackupFacts;
  readonly host: Host | undefined;
  readonly ancestors: readonly Backup[];
  #connection: Connection;
  #revived: Connection | undefined;
  #doing = 'starting backup';
  #backup: Backup;

  constructor({ server, settings, context, connection, nodes, facts, host, ancestors }: JobParts, backup: Backup) {
    this.server = server;
    this.settings = settings;
    this.context = context;
    this.#connection = connection;
    this.nodes = nodes;
    this.facts = facts;
    this.host = host;
    this.ancestors = ancestors;
    this.#backup = backup;
  }

  /** The record as it is now. */
  get backup(): Backup {
    return this.#backup;
  }

  /** For queries, to the server that `conninfo` names. */
  get connection(): Connection {
    return this.#connection;
  }

  /**
   * Connects again when the connection was lost meanwhile: for a method whose work needs no session, so that a restarted pooler or an
   * idle timeout fails no backup whose files are complete.
   * @throws OperatorError `connection-failed`
   */
  async reviveConnection(): Promise<void> {
    if (!this.#connection.lost.aborted) return;
    const { context, nodes } = this;
    context.log.warning('the connection for queries was lost while the files were copied: it is opened again');
    this.#revived = await nodes.queries(context.signal);
    this.#connection = this.#revived;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#revived?.close();
  }

  /** The files that the method writes. */
  get files(): BackupFiles {
    return backupFilesOf(this.server.layout, this.#backup.id);
  }

  get doing(): string {
    return this.#doing;
  }

  /** Names the step that begins, in the words of docs/reference/engine.md section 3.1. */
  begin(step: string): void {
    this.#doing = step;
  }

  /** @throws OperatorError `backup-failed` for what no record can say, which then does not say it */
  change(change: Partial<Backup>): void {
    const backup = { ...this.#backup, ...change };
    requireReadable(backup);
    this.#backup = backup;
  }

  async save(change: Partial<Backup>): Promise<void> {
    this.change(change);
    await writeBackupRecord(this.server.layout, this.#backup);
  }
}

/** Much of a record is the word of the server: what nobody could read again is not written. */
function requireReadable(backup: Backup): void {
  const where = 'its record';
  try {
    requirePossible(parseBackupInfo(formatBackupInfo(backup), backup.id, where), where);
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    throw new OperatorError('backup-failed', `the server returned impossible facts about the backup: ${error.message}`, {
      hint: 'find out which servers answer at the addresses of conninfo and streaming_conninfo',
      cause: error,
    });
  }
}

/** The request of the command line of `backup`; undefined leaves the choice to the configuration. */
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

/** How one backup is taken: as its request says, else the configuration. */
export interface BackupSettings {
  readonly isCheckpointFast: boolean;
  /** 0 for no limit. */
  readonly kilobytesPerSecond: number;
  readonly retryTimes: number;
  readonly retrySleepSeconds: number;
  /** Undefined for not at all. */
  readonly reuse: 'copy' | 'link' | undefined;
  readonly jobs: number;
  readonly batchSize: number;
  readonly batchSeconds: number;
  readonly keepaliveSeconds: number;
  readonly writesManifest: boolean;
  readonly waits: boolean;
  readonly waitTimeoutSeconds: number;
}

/** Settles what a request leaves open. */
export function settingsOf(request: BackupRequest, { options }: Server['config']): BackupSettings {
  const reuse = request.reuse ?? options.reuse_backup ?? 'off';
  return {
    isCheckpointFast: request.isCheckpointFast ?? options.immediate_checkpoint,
    kilobytesPerSecond: request.kilobytesPerSecond ?? options.bandwidth_limit ?? 0,
    retryTimes: request.retryTimes ?? options.basebackup_retry_times,
    retrySleepSeconds: request.retrySleepSeconds ?? options.basebackup_retry_sleep,
    reuse: reuse === 'off' ? undefined : reuse,
    jobs: request.jobs ?? options.parallel_jobs,
    batchSize: request.batchSize ?? options.parallel_jobs_start_batch_size,
    batchSeconds: request.batchSeconds ?? options.parallel_jobs_start_batch_period,
    keepaliveSeconds: request.keepaliveSeconds ?? options.keepalive_interval,
    writesManifest: request.writesManifest ?? options.autogenerate_manifest,
    waits: request.waits,
    waitTimeoutSeconds: request.waitTimeoutSeconds,
  };
}

/** The fields of the record that come from the facts of the server (docs/reference/engine.md section 3.2). */
export function recordedFacts(facts: BackupFacts): Partial<Backup> {
  const { tablespaces } = facts;
  return {
    version: facts.version,
    pgdata: facts.pgdata ?? null,
    xlogSegmentSize: facts.segmentSize,
    configFile: facts.configFile ?? null,
    hbaFile: facts.hbaFile ?? null,
    identFile: facts.identFile ?? null,
    includedFiles: facts.includedFiles.length === 0 ? null : facts.includedFiles,
    tablespaces: tablespaces.length === 0 ? null : tablespaces,
    dataChecksums: facts.dataChecksums ?? null,
    summarizeWal: facts.summarizeWal ?? null,
    clusterSize: facts.clusterSize ?? null,
  };
}

/** `0/5000028 (000000010000000000000005, 00000028)`: how a position is told to the user. */
export function walPositionText(lsn: Lsn, segment: string, offset: number): string {
  return `${formatLsn(lsn)} (${segment}, ${hex8(offset)})`;
}
