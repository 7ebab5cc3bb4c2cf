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
import type { BackupRequest } from './backup-request.ts';

interface JobParts {
  readonly server: Server;
  readonly request: BackupRequest;
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
  readonly request: BackupRequest;
  readonly context: Context;
  readonly nodes: ServerNodes;
  readonly facts: BackupFacts;
  readonly host: Host | undefined;
  readonly ancestors: readonly Backup[];
  #connection: Connection;
  #revived: Connection | undefined;
  #doing = 'starting backup';
  #backup: Backup;

  constructor({ server, request, context, connection, nodes, facts, host, ancestors }: JobParts, backup: Backup) {
    this.server = server;
    this.request = request;
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

  /** What the method writes into. */
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
    throw new OperatorError('backup-failed', `the server tells of a backup what cannot be: ${error.message}`, {
      hint: 'find out which servers answer at the addresses of conninfo and streaming_conninfo',
      cause: error,
    });
  }
}
