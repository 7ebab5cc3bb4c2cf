// A PostgreSQL of a test that a manager of clusters starts and stops, not the test.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { waitFor } from './wait-for.ts';

interface NodeParts {
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  /** Of the user `postgres`. */
  readonly password?: string;
}

interface Where {
  readonly dbname?: string;
  readonly parameters?: readonly unknown[];
}

export class ManagedNode implements AsyncDisposable {
  readonly name: string;
  readonly port: number;
  readonly dataDir: string;
  readonly #password: string;

  constructor({ name, port, dataDir, password = 'barman' }: NodeParts) {
    this.#password = password;
    this.name = name;
    this.port = port;
    this.dataDir = dataDir;
  }

  async query(sql: string, { dbname = 'postgres', parameters = [] }: Where = {}): Promise<Record<string, unknown>[]> {
    const client = new Client({
      host: '127.0.0.1',
      port: this.port,
      user: 'postgres',
      password: this.#password,
      database: dbname,
      connectionTimeoutMillis: 5000,
    });
    client.on('error', () => undefined); // a connection that breaks also rejects the query that runs on it
    await client.connect();
    try {
      const result: unknown = await client.query(sql, parameters.length === 0 ? undefined : [...parameters]);
      const last = (Array.isArray(result) ? result.at(-1) : result) as { rows: Record<string, unknown>[] }; // a list for several statements
      return last.rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** The single value of the single row; undefined when the server does not answer. */
  async value(sql: string, where: Where = {}): Promise<string | undefined> {
    try {
      return String(Object.values((await this.query(sql, where))[0] ?? {})[0]);
    } catch {
      return undefined;
    }
  }

  /** `primary` or `standby`; undefined when it does not answer. */
  async role(): Promise<'primary' | 'standby' | undefined> {
    const answer = await this.value('SELECT pg_is_in_recovery()');
    return answer === undefined ? undefined : answer === 'true' ? 'standby' : 'primary';
  }

  async untilRole(role: 'primary' | 'standby', explain: () => string | Promise<string>): Promise<void> {
    const is = async (): Promise<boolean> => (await this.role()) === role;
    await waitFor(`${this.name} is a ${role}`, is, { timeoutMs: 90_000, explain });
  }

  /** The postmaster dies as in a crash; its children follow. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const pid = await this.#pid();
    if (pid === undefined) return;
    signalIfThere(pid, signal);
    await waitFor(`${this.name} ends`, async () => !(await isAlive(pid)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill('SIGQUIT');
  }

  async #pid(): Promise<number | undefined> {
    try {
      const pid = Number((await readFile(join(this.dataDir, 'postmaster.pid'), 'utf8')).split('\n')[0]);
      return (await isAlive(pid)) ? pid : undefined;
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
      throw error;
    }
  }
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** One that nobody has reaped yet is gone, too; another program under its number is none of ours. */
async function isAlive(pid: number): Promise<boolean> {
  try {
    const state = /^State:\s+(\S)/m.exec(await readFile(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
    if (state === 'Z') return false;
    return (await readFile(`/proc/${String(pid)}/cmdline`, 'utf8')).includes('postgres');
  } catch {
    return false;
  }
}
