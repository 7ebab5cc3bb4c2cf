import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runProgram } from '../helpers/run-program.ts';

const program = '/usr/bin/pgbackrest';

/** Debian's pgBackRest, where it is installed, with a repository of its own. It knows PostgreSQL up to a release or two before today's. */
export class PgBackRest {
  readonly #words: readonly string[];
  readonly #connection: readonly string[];

  private constructor(cluster: PostgresServer, folder: string) {
    this.#words = [
      program,
      '--stanza=main',
      '--no-config',
      `--repo1-path=${join(folder, 'pgbackrest')}`,
      `--lock-path=${join(folder, 'pgbackrest-locks')}`,
      '--log-level-file=off',
      '--log-level-console=error',
    ];
    this.#connection = [`--pg1-port=${String(cluster.port)}`, '--pg1-user=postgres', `--pg1-socket-path=${cluster.socketDir}`];
  }

  /** @param folder for its repository and locks */
  static async find(cluster: PostgresServer, folder: string): Promise<PgBackRest | undefined> {
    try {
      await access(program);
    } catch {
      return undefined;
    }
    const found = new PgBackRest(cluster, folder);
    const { exitCode } = await runProgram(found.command(cluster.dataDir, 'stanza-create'));
    return exitCode === 0 ? found : undefined; // it may be too old for the server
  }

  /** What works with the running cluster. */
  command(dataDir: string, ...words: readonly string[]): string[] {
    return [...this.#words, ...this.#connection, `--pg1-path=${dataDir}`, ...words];
  }

  /** @param destination an empty folder */
  restore(destination: string): string[] {
    return [...this.#words, `--pg1-path=${destination}`, '--type=immediate', 'restore'];
  }
}
