import { type BackupPosition, startBackup, stopBackup } from '../postgres/low-level-backup.ts';
import { cancelBackend, readBackendPid } from '../postgres/server-queries.ts';
import { messageOf } from '../shared/operator-error.ts';
import { untilAborted } from '../shared/until-aborted.ts';
import type { BackupJob } from './backup-job.ts';

/** For a server to leave backup mode. */
const patienceMs = 30_000;

interface SessionOptions {
  readonly isExclusive: boolean;
  /** 0 sends no queries to keep the session alive. */
  readonly keepaliveSeconds: number;
  readonly isCheckpointFast: boolean;
}

/**
 * The server in backup mode, from its begin to its end in one session of SQL. When the session breaks the backup is over: the server
 * leaves backup mode by itself.
 */
export class BackupSession {
  readonly start: BackupPosition;
  /** Aborts when we are told to stop and when the session breaks. */
  readonly signal: AbortSignal;
  readonly #job: BackupJob;
  readonly #options: SessionOptions;
  readonly #keepingAlive = new AbortController();
  readonly #backendPid: string;
  #isEnding = false;
  #hasEnded = false;

  private constructor(job: BackupJob, options: SessionOptions, begun: { start: BackupPosition; backendPid: string }) {
    this.#job = job;
    this.#options = options;
    this.start = begun.start;
    this.#backendPid = begun.backendPid;
    this.signal = AbortSignal.any([job.context.signal, job.connection.lost]);
    void this.#keepAlive();
  }

  /** @throws OperatorError `query-failed` in the words of the server, or `interrupted` */
  static async begin(job: BackupJob, options: SessionOptions): Promise<BackupSession> {
    const { connection, context, facts, server, backup } = job;
    const backendPid = await readBackendPid(connection);
    const starting = startBackup(connection, {
      version: facts.version,
      label: `Barman backup ${server.config.name} ${backup.id}`,
      isCheckpointFast: options.isCheckpointFast,
      isExclusive: options.isExclusive,
    });
    // the checkpoint may take minutes; closing the session afterwards is enough to leave backup mode
    return new BackupSession(job, options, { start: await untilAborted(starting, context.signal), backendPid });
  }

  /**
   * Ends the backup as PostgreSQL wants it: its WAL is archived then, where the server waits for that.
   * @param until aborts when that is not to be waited for any longer, at the latest with {@link signal}
   */
  async end(until: AbortSignal): Promise<Awaited<ReturnType<typeof stopBackup>>> {
    this.#keepingAlive.abort();
    this.#isEnding = true;
    const { connection, facts } = this.#job;
    const stopping = stopBackup(connection, { version: facts.version, isExclusive: this.#options.isExclusive, waits: true });
    const stopped = await untilAborted(stopping, until);
    this.#hasEnded = true;
    return stopped;
  }

  /** Whether the server has left backup mode. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /**
   * Takes the server out of backup mode after a failure; what goes wrong then is only logged, the failure itself counts. A server that hangs
   * is not waited for: the end of its session ends the backup.
   */
  async abandon(): Promise<void> {
    this.#keepingAlive.abort();
    try {
      await untilAborted(this.#leave(), AbortSignal.timeout(patienceMs));
    } catch (error) {
      this.#job.context.log.warning(`the failed backup was not stopped on the server: ${messageOf(error)}`);
    }
  }

  async #leave(): Promise<void> {
    const { connection, facts, nodes } = this.#job;
    const { isExclusive } = this.#options;
    if (this.#isEnding && !connection.lost.aborted) {
      // the session is busy: the server has left backup mode, and waits for its WAL to be archived
      await using other = await nodes.queries();
      await cancelBackend(other, this.#backendPid);
    } else if (!connection.lost.aborted) {
      await stopBackup(connection, { version: facts.version, isExclusive, waits: false });
    } else if (isExclusive) {
      // an exclusive backup survives its session, and would keep the server from starting after a crash
      await using other = await nodes.queries();
      await stopBackup(other, { version: facts.version, isExclusive, waits: false });
    }
  }

  async #keepAlive(): Promise<void> {
    const { connection, context } = this.#job;
    const { keepaliveSeconds } = this.#options;
    const until = this.#keepingAlive.signal;
    if (keepaliveSeconds === 0) return;
    try {
      while (!until.aborted) {
        await context.clock.sleep(keepaliveSeconds * 1000, until);
        await connection.query('SELECT 1');
      }
    } catch (error) {
      if (!until.aborted) context.log.warning(`the session of the backup is broken: ${messageOf(error)}`); // `lost` says it to all others
    }
  }
}
