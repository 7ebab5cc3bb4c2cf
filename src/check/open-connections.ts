import type { Connection } from '../postgres/connect.ts';

/** Connections that are closed together, also those that were still being opened when nobody wanted them any more. */
export class OpenConnections implements AsyncDisposable {
  readonly #open: Connection[] = [];
  #isOver = false;
  readonly #ending = new AbortController();

  /** Aborts when the connections are closed: what is still being opened then need not go on. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** Gives the connection back once it is there. */
  async add(opening: Promise<Connection>): Promise<Connection> {
    const connection = await opening;
    if (this.#isOver) await connection.close();
    else this.#open.push(connection);
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    const closing = this.#open.map((connection) => connection.close()); // these say goodbye, so that no server logs a lost client
    this.#ending.abort();
    await Promise.allSettled(closing);
  }
}
