import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { Client, type ClientConfig } from 'pg';
import type { Environment } from '../shared/environment.ts';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { type Conninfo, withKeepalives } from './conninfo.ts';
import { readPassword } from './password-file.ts';

/** One row: column names to what PostgreSQL sent, as text; null for NULL. */
export type Row = Readonly<Record<string, string | null>>;

/** An open connection; everything comes as text. */
export interface Connection extends AsyncDisposable {
  /** @throws OperatorError `query-failed` (with the SQLSTATE in `cause`) or `connection-failed` */
  query(sql: string, parameters?: readonly string[]): Promise<readonly Row[]>;
  /** Aborts when the connection breaks, with the OperatorError as its reason. */
  readonly lost: AbortSignal;
  close(): Promise<void>;
}

interface ConnectOptions {
  readonly conninfo: Conninfo;
  readonly environment: Environment;
  /** `application_name` unless the connection string has one. */
  readonly applicationName: string;
  readonly isReplication?: boolean;
  /** Aborting it ends the connection at once, also one that is still being made. */
  readonly signal?: AbortSignal | undefined;
}

const connectTimeoutSeconds = 20;
/** For a server to close its end of a connection. */
const goodbyeMs = 1000;

/**
 * Connects as libpq would with the same parameters and environment.
 * @throws OperatorError `connection-failed` naming host, port and user
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const { conninfo, environment } = options;
  const mode = conninfo.get('sslmode') ?? environment['PGSSLMODE'] ?? 'prefer';
  const isSocket = hostOf(conninfo, environment).startsWith('/');
  const attempts: readonly ClientConfig['ssl'][] =
    isSocket || mode === 'disable'
      ? [false]
      : mode === 'prefer'
        ? [await tlsFor(mode, options), false]
        : mode === 'allow'
          ? [false, await tlsFor(mode, options)]
          : [await tlsFor(mode, options)];
  let failure: unknown;
  for (const ssl of attempts) {
    try {
      return await open(options, ssl);
    } catch (error) {
      failure = error;
      if (!mayTryAgain(error)) break;
    }
  }
  throw connectionFailed(options, failure);
}

/** SQLSTATE of a failed query; undefined for other failures. */
export function sqlStateOf(error: unknown): string | undefined {
  const cause: unknown = error instanceof OperatorError ? error.cause : error;
  const code = systemCodeOf(cause);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

async function open(options: ConnectOptions, ssl: ClientConfig['ssl']): Promise<Connection> {
  const socket = new Socket();
  const client = new Client({ ...clientConfig(options, ssl), stream: () => socket });
  const lost = new AbortController();
  client.on('error', (error) => {
    lost.abort(connectionFailed(options, error)); // the query under way is rejected too; without a listener the process would end
  });
  const abort = (): void => {
    socket.destroy(new OperatorError('interrupted', 'stopped while PostgreSQL was asked'));
  };
  options.signal?.addEventListener('abort', abort, { once: true });
  if (options.signal?.aborted === true) abort();
  try {
    await client.connect();
  } catch (error) {
    socket.destroy();
    throw error;
  }
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    options.signal?.removeEventListener('abort', abort);
    const patience = setTimeout(() => socket.destroy(), goodbyeMs); // a server that hangs says no goodbye
    await client.end();
    clearTimeout(patience);
  };
  return {
    async query(sql, parameters = []) {
      lost.signal.throwIfAborted();
      try {
        const result = await client.query<Record<string, string | null>>(
          parameters.length === 0 ? { text: sql, types: asText } : { text: sql, values: [...parameters], types: asText },
        );
        return result.rows;
      } catch (error) {
        if (sqlStateOf(error) === undefined) throw connectionFailed(options, error);
        throw new OperatorError('query-failed', `PostgreSQL refused a query: ${messageOf(error)}`, { cause: error });
      }
    },
    lost: lost.signal,
    close,
    [Symbol.asyncDispose]: close,
  };
}

const asText = { getTypeParser: () => (value: string) => value };

function clientConfig(
  { conninfo, environment, applicationName, isReplication = false }: ConnectOptions,
  ssl: ClientConfig['ssl'],
): ClientConfig {
  const user = conninfo.get('user') ?? environment['PGUSER'] ?? environment['USER'] ?? environment['LOGNAME'];
  const database = isReplication ? 'replication' : (conninfo.get('dbname') ?? environment['PGDATABASE'] ?? user);
  const host = hostOf(conninfo, environment);
  const port = conninfo.get('port')?.split(',')[0] ?? environment['PGPORT'] ?? '5432';
  // called when the server asks; without it `pg` would look into the file itself, and write a warning of its own to stderr
  const fromFile = async (): Promise<string> =>
    await readPassword(
      { host: conninfo.get('host') ?? host, port, database: database ?? '', user: user ?? '' },
      conninfo,
      environment,
    );
  const optionText = [isReplication ? '-cdatestyle=iso' : conninfo.get('options')]
    .filter((text) => text !== undefined)
    .join(' ');
  return {
    host,
    port: Number(port),
    ...(user === undefined ? {} : { user }),
    ...(database === undefined ? {} : { database }),
    password:
      [conninfo.get('password'), environment['PGPASSWORD']].find((text) => text !== undefined && text !== '') ?? fromFile,
    ...(optionText === '' ? {} : { options: optionText }),
    ssl,
    application_name: conninfo.get('application_name') ?? applicationName,
    connectionTimeoutMillis: 1000 * Number(conninfo.get('connect_timeout') ?? connectTimeoutSeconds),
    keepAlive: conninfo.get('keepalives') !== '0',
    keepAliveInitialDelayMillis: 1000 * Number(withKeepalives(conninfo).get('keepalives_idle') ?? 0),
    ...(isReplication ? { replication: 'true' } : {}),
  };
}

/** First host of a list: where several are given, a client that can choose between them is PostgreSQL's own. */
function hostOf(conninfo: Conninfo, environment: Environment): string {
  const host = (conninfo.get('hostaddr') ?? conninfo.get('host') ?? environment['PGHOST'] ?? '').split(',')[0] ?? '';
  return host === '' ? '/var/run/postgresql' : host;
}

async function tlsFor(
  mode: string,
  { conninfo, environment }: ConnectOptions,
): Promise<Exclude<ClientConfig['ssl'], undefined>> {
  const read = async (key: string, variable: string): Promise<string | undefined> => {
    const path = conninfo.get(key) ?? environment[variable];
    return path === undefined || path === 'system' ? undefined : await readFile(path, 'utf8');
  };
  const ca = await read('sslrootcert', 'PGSSLROOTCERT');
  const cert = await read('sslcert', 'PGSSLCERT');
  const key = await read('sslkey', 'PGSSLKEY');
  return {
    rejectUnauthorized: mode === 'verify-ca' || mode === 'verify-full' || (mode === 'require' && ca !== undefined),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  };
}

/** The server has no TLS, or refuses us with it or without it: libpq then tries the other way. */
function mayTryAgain(error: unknown): boolean {
  return messageOf(error).includes('does not support SSL') || systemCodeOf(error) === '28000';
}

function connectionFailed({ conninfo, environment }: ConnectOptions, error: unknown): OperatorError {
  const host = hostOf(conninfo, environment);
  const port = conninfo.get('port') ?? environment['PGPORT'] ?? '5432';
  const user = conninfo.get('user') ?? environment['PGUSER'] ?? 'the default user';
  const said = messageOf(error) === '' ? (systemCodeOf(error) ?? 'no connection') : messageOf(error);
  return new OperatorError('connection-failed', `cannot connect to PostgreSQL on ${host} port ${port} as ${user}: ${said}`, {
    hint: hintFor(error, host),
    cause: error,
  });
}

function hintFor(error: unknown, host: string): string {
  if (error instanceof OperatorError && error.hint !== undefined) return error.hint;
  const code = systemCodeOf(error);
  if (code === '28P01') return 'the password is wrong: compare ~/.pgpass of the user that runs pgcellar with the role';
  if (code === '28000') return 'pg_hba.conf of the server has no line that lets this user in from here';
  if (code === '3D000') return 'the database in the connection string does not exist';
  if (code === 'ECONNREFUSED' || code === 'ENOENT')
    return 'is PostgreSQL running there, and does it listen on that address (listen_addresses, port)?';
  return `check conninfo, the network and the server's log on ${host}`;
}
