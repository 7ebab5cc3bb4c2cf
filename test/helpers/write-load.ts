import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import type { PostgresServer } from './postgres-server.ts';
import { waitFor } from './wait-for.ts';

/** A transaction that PostgreSQL acknowledged. */
export interface CommittedRow {
  readonly id: number;
  readonly xid: string;
}

/** A moment at which nothing was under way: exactly the rows up to `lastId` were committed. */
export interface Mark {
  /** `clock_timestamp()` in UTC, to the microsecond, with `+00`; after the last commit and before the next. */
  readonly time: string;
  readonly lsn: string;
  /** Of the last committed row. */
  readonly xid: string;
  readonly lastId: number;
  readonly rows: number;
}

interface LoadOptions {
  readonly table?: string;
  readonly everyMs?: number;
  /** Bytes of random text in every row, to make WAL. */
  readonly paddingBytes?: number;
  /** What a lost connection means: the end of the load, or that it connects again until it can. */
  readonly onLostConnection?: 'fail' | 'reconnect';
}

/**
 * Inserts rows with rising ids into one table, one transaction each, until it is disposed. The journal holds what PostgreSQL
 * acknowledged; after a crash the table may hold one row more, never one less.
 */
export class WriteLoad implements AsyncDisposable {
  readonly journal: CommittedRow[] = [];
  readonly table: string;
  readonly #cluster: PostgresServer;
  readonly #options: Required<Omit<LoadOptions, 'table'>>;
  readonly #ended: Promise<void>;
  #client: Client | undefined;
  #pause: Promise<void> | undefined;
  #isStopping = false;
  #current: Promise<void> = Promise.resolve();
  #failure: unknown;

  constructor(
    cluster: PostgresServer,
    client: Client,
    { table = 'load', everyMs = 5, paddingBytes = 0, onLostConnection = 'fail' }: LoadOptions,
  ) {
    this.#cluster = cluster;
    this.#client = client;
    this.table = table;
    this.#options = { everyMs, paddingBytes, onLostConnection };
    this.#ended = this.#run();
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Waits for the transaction under way, notes the moment, and goes on. `restorePoint` also names it in the WAL. */
  async mark({ restorePoint }: { restorePoint?: string } = {}): Promise<Mark> {
    let resume: () => void = () => undefined;
    this.#pause = new Promise((resolve) => {
      resume = resolve;
    });
    try {
      await this.#current;
      this.#throwFailure();
      return await this.#note(restorePoint);
    } finally {
      this.#pause = undefined;
      resume();
    }
  }

  /** Ends the load after the transaction under way; throws what made it fail. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#ended;
    this.#throwFailure();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopping = true;
    await this.#ended;
  }

  async #note(restorePoint: string | undefined): Promise<Mark> {
    const last = this.journal.at(-1);
    if (last === undefined) throw new Error('nothing was committed yet');
    if (restorePoint !== undefined) {
      await this.#cluster.query('SELECT pg_create_restore_point($1)', { parameters: [restorePoint] });
    }
    await delay(2);
    const sql = `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || '+00' AS time,
      pg_current_wal_insert_lsn()::text AS lsn, (SELECT count(*) FROM ${this.table})::int AS rows`;
    const [now] = await this.#cluster.query<{ time: string; lsn: string; rows: number }>(sql);
    if (now === undefined) throw new Error('no row');
    await delay(2);
    return { ...now, xid: last.xid, lastId: last.id };
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isStopping) {
        await this.#pause;
        this.#current = this.#insert();
        await this.#current;
        await delay(this.#options.everyMs);
      }
    } catch (error) {
      this.#failure = error;
    }
    await this.#disconnect();
  }

  async #insert(): Promise<void> {
    try {
      this.#client ??= await this.#cluster.connect();
      const id = (this.journal.at(-1)?.id ?? 0) + 1;
      // ON CONFLICT: a commit that got lost on its way to us is there already, and is acknowledged now
      const sql = `INSERT INTO ${this.table} (id, padding) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET retried = true RETURNING txid_current()::text AS xid`;
      const { rows } = await this.#client.query<{ xid: string }>(sql, [id, randomText(this.#options.paddingBytes)]);
      this.journal.push({ id, xid: rows[0]?.xid ?? '' });
    } catch (error) {
      if (this.#options.onLostConnection === 'fail') throw error;
      await this.#disconnect();
      await delay(50);
    }
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client !== undefined && this.#cluster.isRunning) await client.end();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw new Error('the load failed', { cause: this.#failure });
  }
}

/** Creates the table when it is missing and starts writing; resolves when the first rows are committed. */
export async function startWriteLoad(cluster: PostgresServer, options: LoadOptions = {}): Promise<WriteLoad> {
  const table = options.table ?? 'load';
  await cluster.query(`CREATE TABLE IF NOT EXISTS ${table} (
    id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), padding text, retried boolean NOT NULL DEFAULT false)`);
  const load = new WriteLoad(cluster, await cluster.connect(), options);
  await waitFor('the load commits its first rows', () => load.hasFailed || load.journal.length >= 3);
  if (load.hasFailed) await load.stop(); // throws
  return load;
}

function randomText(bytes: number): string {
  let text = '';
  while (text.length < bytes) text += Math.random().toString(36).slice(2);
  return text.slice(0, bytes);
}
