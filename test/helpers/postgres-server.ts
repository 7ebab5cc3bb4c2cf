import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client, type QueryResultRow } from 'pg';
import type { Installation } from '../machine/cache-folder.mjs';
import { serverUser } from '../machine/server-user.mjs';
import { descendantsOf } from './descendants-of.ts';
import { findFreePort } from './free-port.ts';
import { inheritedMarks } from './marked-processes.ts';
import type { TemporaryFolder } from './temporary-folder.ts';
import { waitFor } from './wait-for.ts';

export type Settings = Readonly<Record<string, string | number | boolean>>;

type ShutdownMode = 'smart' | 'fast' | 'immediate';

interface ConnectOptions {
  readonly user?: string;
  readonly dbname?: string;
  readonly host?: 'tcp' | 'socket';
}

interface ServerParts {
  readonly installation: Installation;
  readonly dataDir: string;
  /** Holds log and socket; removed with the server. */
  readonly folder: TemporaryFolder;
  /** Passed on the command line, so that they win over what a restored postgresql.conf says. */
  readonly settings: Settings;
  readonly env: Readonly<Record<string, string>>;
}

const signalOf: Record<ShutdownMode, NodeJS.Signals> = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' };

/**
 * A PostgreSQL of a test, on a port and socket of its own. It runs as an ordinary user, dies with the process that started it,
 * and disposing it stops it and removes its folder.
 */
export class PostgresServer implements AsyncDisposable {
  readonly #parts: ServerParts;
  #process: ChildProcess | undefined;
  #port = 0;

  constructor(parts: ServerParts) {
    this.#parts = parts;
  }

  get major(): number {
    return this.#parts.installation.major;
  }

  /** Folder of `psql`, `pg_basebackup` and the others of the same version, or of a newer one where the server came alone. */
  get clientsDir(): string {
    return this.#parts.installation.clientsDir;
  }

  get dataDir(): string {
    return this.#parts.dataDir;
  }

  get port(): number {
    return this.#port;
  }

  get socketDir(): string {
    return join(this.#parts.folder.path, 's');
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  /** Process id of the postmaster. */
  get pid(): number {
    if (this.#process?.pid === undefined) throw new Error('the server is not running');
    return this.#process.pid;
  }

  /** Starts the server and waits until it takes connections, or, with 'ended', until it has stopped by itself. */
  async start({ until = 'ready' }: { until?: 'ready' | 'ended' } = {}): Promise<void> {
    if (this.isRunning) throw new Error('the server runs already');
    for (let attempt = 1; ; attempt += 1) {
      if (this.#port === 0) this.#port = await findFreePort();
      const logStart = (await this.log()).length;
      await this.#spawn();
      if (until === 'ended') {
        await waitFor('the server stops by itself', () => !this.isRunning, { timeoutMs: 120_000, explain: () => this.log() });
        return;
      }
      if (await this.#becomesReady()) return;
      const log = (await this.log()).slice(logStart);
      // somebody was faster to take the port
      if (attempt === 5 || !/could not bind|Address already in use/.test(log)) throw new Error(`the server ended:\n${log}`);
      this.#port = 0;
    }
  }

  /** Clean shutdown; 'immediate' leaves crash recovery for the next start. */
  async stop(mode: ShutdownMode = 'fast'): Promise<void> {
    await this.#endWith(signalOf[mode]);
  }

  /** The postmaster dies as in a crash; its children notice and follow. */
  async kill(): Promise<void> {
    await this.#endWith('SIGKILL');
  }

  /** Stops all its processes where they are, as on a machine that hangs: connections stay, and nobody answers. */
  async freeze(): Promise<void> {
    for (const pid of [this.pid, ...(await descendantsOf(this.pid))]) process.kill(pid, 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    for (const pid of [...(await descendantsOf(this.pid)), this.pid]) process.kill(pid, 'SIGCONT');
  }

  async restart(mode: ShutdownMode = 'fast'): Promise<void> {
    await this.stop(mode);
    await this.start();
  }

  /** Makes the server read its configuration files again. */
  reload(): void {
    process.kill(this.pid, 'SIGHUP');
  }

  /** Runs one statement, or several without parameters (the rows are then those of the last). 64-bit numbers are strings. */
  async query<Row extends QueryResultRow = Record<string, unknown>>(
    sql: string,
    { parameters, ...where }: ConnectOptions & { parameters?: readonly unknown[] } = {},
  ): Promise<Row[]> {
    const client = await this.connect(where);
    try {
      const result: unknown = await client.query(sql, parameters as unknown[] | undefined);
      const last = (Array.isArray(result) ? result.at(-1) : result) as { rows: Row[] }; // pg gives a list for several statements
      return last.rows;
    } finally {
      await client.end();
    }
  }

  /** The single value of the single row. */
  async value(sql: string, where: ConnectOptions = {}): Promise<string> {
    const row = (await this.query(sql, where))[0];
    if (row === undefined) throw new Error(`no row: ${sql}`);
    return String(Object.values(row)[0]);
  }

  async connect({ user = 'postgres', dbname = 'postgres' }: ConnectOptions = {}): Promise<Client> {
    const client = new Client({ host: '127.0.0.1', port: this.port, user, database: dbname, password: 'barman' });
    // A connection that breaks also rejects the query that runs on it; without a listener the process would end.
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** What `psql` prints, unaligned and without headers; it stops at the first error and then throws. */
  async psql(sql: string, where: ConnectOptions = {}): Promise<string> {
    const argv = ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', this.conninfo(where), '-c', sql];
    const { stdout } = await promisify(execFile)(join(this.clientsDir, 'psql'), argv, {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
    });
    return stdout.trimEnd();
  }

  /** A libpq connection string; TCP on 127.0.0.1 unless the socket is asked for. */
  conninfo({ user = 'postgres', dbname = 'postgres', host = 'tcp' }: ConnectOptions = {}): string {
    const where = host === 'tcp' ? '127.0.0.1' : this.socketDir;
    return `host=${where} port=${String(this.port)} user=${user} dbname=${dbname}`;
  }

  /** All the server ever logged. */
  async log(): Promise<string> {
    try {
      return await readFile(this.#logFile, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return '';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isRunning) await this.stop('immediate');
    await this.#parts.folder[Symbol.asyncDispose]();
  }

  get #logFile(): string {
    return join(this.#parts.folder.path, 'log');
  }

  async #spawn(): Promise<void> {
    await mkdir(this.socketDir, { recursive: true });
    const user = serverUser();
    if (user !== undefined) await chown(this.socketDir, user.uid, user.gid);
    const settings: Settings = {
      port: this.#port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: this.socketDir,
      ...this.#parts.settings,
    };
    const words = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${String(value)}`]);
    // setpriv becomes the postmaster, which gets SIGQUIT when this process dies: no server outlives its test
    const identity = user === undefined ? [] : [`--reuid=${user.name}`, `--regid=${String(user.gid)}`, '--init-groups'];
    const argv = [
      ...identity,
      '--pdeathsig=QUIT',
      '--',
      join(this.#parts.installation.binDir, 'postgres'),
      '-D',
      this.dataDir,
      ...words,
    ];
    await using log = await open(this.#logFile, 'a');
    this.#process = spawn('setpriv', argv, {
      cwd: this.#parts.folder.path,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...inheritedMarks(), PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C.UTF-8', ...this.#parts.env },
    });
    await once(this.#process, 'spawn');
  }

  async #becomesReady(): Promise<boolean> {
    const state = await waitFor(
      'the server takes connections',
      async () => (this.isRunning ? (await this.#isReady()) && 'ready' : 'ended'),
      {
        timeoutMs: 120_000,
        everyMs: 20,
        explain: () => this.log(),
      },
    );
    return state === 'ready';
  }

  /** The eighth line of postmaster.pid says `ready` once connections are taken, also by a hot standby. */
  async #isReady(): Promise<boolean> {
    try {
      const lines = (await readFile(join(this.dataDir, 'postmaster.pid'), 'utf8')).split('\n');
      return lines[0] === String(this.#process?.pid) && lines[7]?.trim() === 'ready';
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return false;
    }
  }

  async #endWith(signal: NodeJS.Signals): Promise<void> {
    const running = this.#process;
    if (running === undefined || !this.isRunning) return;
    running.kill(signal);
    await waitFor(`the server ends on ${signal}`, () => !this.isRunning, { everyMs: 20, explain: () => this.log() });
  }
}
