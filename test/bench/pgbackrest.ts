import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runProgram } from '../helpers/run-program.ts';

const program = '/usr/bin/pgbackrest';

/** Debian's pgBackRest, where it is installed, with a repository of its own. It knows PostgreSQL up to a release or two before today's. */
export class PgBackRest {
  /** Where its archived WAL lies. */
  readonly archive: string;
  readonly #words: readonly string[];
  readonly #connection: readonly string[];

  private constructor(folder: string, connection: readonly string[]) {
    this.archive = join(folder, 'pgbackrest', 'archive', 'main');
    this.#words = [
      program,
      '--stanza=main',
      '--no-config',
      `--repo1-path=${join(folder, 'pgbackrest')}`,
      `--lock-path=${join(folder, 'pgbackrest-locks')}`,
      '--log-level-file=off',
      '--log-level-console=error',
    ];
    this.#connection = connection;
  }

  /** @param folder for its repository and locks */
  static async find({ port, socketDir, dataDir }: PostgresServer, folder: string): Promise<PgBackRest | undefined> {
    const connection = [`--pg1-port=${String(port)}`, '--pg1-user=postgres', `--pg1-socket-path=${socketDir}`];
    return await PgBackRest.#begin(new PgBackRest(folder, connection), dataDir);
  }

  /** For WAL alone: the data folder of its cluster is enough. */
  static async findForWal(dataDir: string, folder: string): Promise<PgBackRest | undefined> {
    return await PgBackRest.#begin(new PgBackRest(folder, []), dataDir, '--no-online');
  }

  static async #begin(found: PgBackRest, dataDir: string, ...words: readonly string[]): Promise<PgBackRest | undefined> {
    try {
      await access(program);
    } catch {
      return undefined;
    }
    const { exitCode } = await runProgram(found.command(dataDir, ...words, 'stanza-create'));
    return exitCode === 0 ? found : undefined; // it may be too old for the server
  }

  /** What works with the cluster. */
  command(dataDir: string, ...words: readonly string[]): string[] {
    return [...this.#words, ...this.#connection, `--pg1-path=${dataDir}`, ...words];
  }

  /** A full backup of the running cluster, of which only the last one stays; its WAL is not waited for. */
  backUp(dataDir: string): string[] {
    const options = ['--type=full', '--start-fast', '--compress-type=none', '--no-archive-check', '--repo1-retention-full=1'];
    return this.command(dataDir, ...options, 'backup');
  }

  /** @param destination an empty folder */
  restore(destination: string): string[] {
    return [...this.#words, `--pg1-path=${destination}`, '--type=immediate', 'restore'];
  }
}
