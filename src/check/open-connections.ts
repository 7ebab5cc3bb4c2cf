import type { Connection } from '../postgres/connect.ts';

/** Connections that are closed together, also those that were still being opened when nobody wanted them any more. */
export class OpenConnections implements AsyncDisposable {
  readonly #open: Connection[] = [];
  #isOver = false;

  /** Gives the connection back once it is there. */
  async add(opening: Promise<Connection>): Promise<Connection> {
    const connection = await opening;
    if (this.#isOver) await connection.close();
    else this.#open.push(connection);
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.allSettled(this.#open.map((connection) => connection.close()));
  }
}
