import { randomInt } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import { Client } from 'pg';
import type { Environment } from '../shared/environment.ts';
import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { untilAborted } from '../shared/until-aborted.ts';
import { AnswerLimits } from './answer-limits.ts';
import { ConnectionFailed, type Failure, sqlStateOf, textOf } from './connection-failure.ts';
import {
  addressOf,
  type ConnectionParameters,
  type HostEntry,
  isSocket,
  type Node,
  nameOfEntry,
  passwordFile,
  readParameters,
} from './connection-parameters.ts';
import type { Conninfo } from './conninfo.ts';
import { LoginGuard } from './login-guard.ts';
import { isEncrypted, NoTls, openChannel } from './open-channel.ts';
import { readPassword } from './password-file.ts';
import { sessionProblem } from './session-attributes.ts';
import { tlsOptions } from './tls-options.ts';

/** One row: column names to what PostgreSQL sent, as text; null for NULL. */
export type Row = Readonly<Record<string, string | null>>;

type Patience = 'some-minutes' | 'as-long-as-it-takes';

/** An open connection; everything comes as text. */
export interface Connection extends AsyncDisposable {
  /**
   * @param patience for what the server may work on longer than for most answers, which have a short limit, or for hours
   * @throws OperatorError `query-failed` (with the SQLSTATE in `cause`) or `connection-failed`
   */
  query(sql: string, parameters?: readonly string[], patience?: Patience): Promise<readonly Row[]>;
  /** Aborts when the connection breaks, with the OperatorError as its reason. */
  readonly lost: AbortSignal;
  readonly node: Node;
  /** Process id that the login gave for cancelling; a pooler gives one of its own. */
  readonly keyPid: number | undefined;
  close(): Promise<void>;
}

interface ConnectOptions {
  /** Without its service, see `withService`. */
  readonly conninfo: Conninfo;
  readonly environment: Environment;
  /** `application_name` unless the connection string has one. */
  readonly applicationName: string;
  readonly isReplication?: boolean;
  /** Aborting it ends the connection immediately, also one that is still being made. */
  readonly signal?: AbortSignal | undefined;
}

const connectTimeoutSeconds = 20;
/** For a server to close its end of a connection. */
const goodbyeMs = 1000;
/** Timers of Node cannot be longer. */
const longestTimerMs = 2 ** 31 - 1;
/** SQLSTATE of a server that starts, stops, or is a standby that takes no connections yet: another host may be better. */
const cannotConnectNow = '57P03';

/** Everything of an attempt to connect. */
interface Attempt {
  readonly options: ConnectOptions;
  readonly parameters: ConnectionParameters;
  readonly node: Node;
  /** Ends the attempt: too much time has passed, or nobody wants it any longer. */
  readonly signal: AbortSignal;
}

/**
 * Connects as libpq would with the same parameters and environment: hosts and their addresses in order, until one answers that will do.
 * @throws OperatorError `configuration-invalid` before anything is sent when the string asks for what cannot be had; `connection-failed`
 * naming each host that was tried, its port and the user
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  const parameters = readParameters(options.conninfo, options.environment);
  const { hosts, isBalanced, sessionAttributes } = parameters;
  const entries = isBalanced ? shuffled(hosts) : hosts;
  // with prefer-standby, whatever there is will do when there is no standby
  const passes = sessionAttributes === 'prefer-standby' ? (['standby', 'any'] as const) : [sessionAttributes];
  let failures: Failure[] = [];
  for (const wanted of passes) {
    failures = [];
    for (const entry of entries) {
      const outcome = await tryHost(entry, { ...parameters, sessionAttributes: wanted }, options);
      if ('connection' in outcome) return outcome.connection;
      failures.push(...outcome.failures);
      if (outcome.isFinal) throw new ConnectionFailed(parameters, failures);
    }
  }
  throw new ConnectionFailed(parameters, failures);
}

function shuffled<T>(items: readonly T[]): readonly T[] {
  const rest = [...items];
  return items.map(() => rest.splice(randomInt(rest.length), 1)).flat();
}

type HostOutcome =
  | { readonly connection: Connection }
  /** No other host is tried. */
  | { readonly failures: readonly Failure[]; readonly isFinal: boolean };

async function tryHost(entry: HostEntry, parameters: ConnectionParameters, options: ConnectOptions): Promise<HostOutcome> {
  const failures: Failure[] = [];
  const found = await nodesOf(entry, parameters, options.signal);
  if ('error' in found) return { failures: [found], isFinal: false };
  for (const node of found.nodes) {
    const seconds = Number(parameters.get('connect_timeout') ?? connectTimeoutSeconds);
    const limit = new AbortController();
    const timer =
      seconds > 0
        ? setTimeout(() => limit.abort(new Error('timeout expired')), Math.min(seconds * 1000, longestTimerMs))
        : undefined;
    const signal = options.signal === undefined ? limit.signal : AbortSignal.any([options.signal, limit.signal]);
    try {
      const connection = await tryNode({ options, parameters, node, signal });
      const problem = await sessionProblem(connection, parameters.sessionAttributes);
      if (problem === undefined) return { connection: connection };
      await connection.close();
      failures.push({ node, error: new Error(problem) });
      break; // its other addresses are the same server
    } catch (error) {
      if (options.signal?.aborted === true)
        throw options.signal.reason instanceof OperatorError ? options.signal.reason : interrupted();
      failures.push({ node, error });
      if (sqlStateOf(error) === cannotConnectNow) break;
      if (!limit.signal.aborted && hasReached(error)) return { failures, isFinal: true };
    } finally {
      clearTimeout(timer);
    }
  }
  return { failures, isFinal: false };
}

function interrupted(): OperatorError {
  return new OperatorError('interrupted', 'stopped while PostgreSQL was asked');
}

/** As in libpq the search ends at a server that was reached, whatever then went wrong: the others would say the same. */
function hasReached(error: unknown): boolean {
  return !unreachable.has(systemCodeOf(error) ?? '');
}

/** The errors of the network for an address without a listener, with TLS or without. */
const unreachable: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ENOENT',
  'EACCES',
  'EADDRNOTAVAIL',
]);

async function nodesOf(
  entry: HostEntry,
  { isBalanced }: ConnectionParameters,
  signal: AbortSignal | undefined,
): Promise<{ readonly nodes: readonly Node[] } | Failure> {
  const itself: Node = { entry, address: undefined };
  if (isSocket(entry)) return { nodes: [itself] };
  if (entry.hostaddr !== '') {
    if (isIP(entry.hostaddr.replace(/%.*/, '')) !== 0) return { nodes: [itself] };
    return { node: itself, error: new Error(`"${entry.hostaddr}" is not an address`) };
  }
  try {
    const looking = lookup(entry.host, { all: true, verbatim: true });
    const all = await (signal === undefined ? looking : untilAborted(looking, signal));
    const addresses = [...new Set(all.map(({ address }) => address))];
    const ordered = isBalanced ? shuffled(addresses) : addresses;
    return { nodes: ordered.map((address) => ({ entry, address: ordered.length === 1 ? undefined : address })) };
  } catch (error) {
    if (error instanceof OperatorError) throw error;
    return { node: itself, error };
  }
}

/** Tries one address, with and without TLS in the order of `sslmode`. */
async function tryNode(attempt: Attempt): Promise<Connection> {
  const { sslMode } = attempt.parameters;
  const ways = isSocket(attempt.node.entry) || sslMode === 'disable' ? [false] : waysOf[sslMode];
  let first: unknown;
  for (const [at, hasTls] of ways.entries()) {
    const guard = new LoginGuard(attempt.parameters.auth);
    try {
      return await open(attempt, hasTls, guard);
    } catch (error) {
      const isLast = at === ways.length - 1;
      if (isLast && first !== undefined) throw both(first, error);
      if (isLast || attempt.signal.aborted || !mayTryTheOtherWay(error, guard)) throw error;
      first = error;
    }
  }
  throw first;
}

const waysOf = {
  allow: [false, true],
  prefer: [true, false],
  require: [true],
  'verify-ca': [true],
  'verify-full': [true],
} as const;

/** The second failure, unless the first says why TLS did not come about. */
function both(first: unknown, second: unknown): unknown {
  if (first instanceof NoTls || sqlStateOf(first) !== undefined || sqlStateOf(second) === undefined) return second;
  return Object.assign(new Error(`${messageOf(first)}; without TLS: ${messageOf(second)}`), { code: sqlStateOf(second) });
}

/** As in libpq: the server has no TLS, its TLS cannot be used, or it refuses us with it or without it. */
function mayTryTheOtherWay(error: unknown, guard: LoginGuard): boolean {
  if (guard.isLoggedIn || guard.refusal !== undefined) return false;
  const code = sqlStateOf(error);
  return code === undefined ? hasReached(error) : code !== cannotConnectNow;
}

async function open(attempt: Attempt, hasTls: boolean, guard: LoginGuard): Promise<Connection> {
  const { parameters, node, signal } = attempt;
  const { entry } = node;
  const channel = await openChannel({
    to: isSocket(entry)
      ? { path: `${entry.host.replace(/^@/, '\0')}/.s.PGSQL.${String(entry.port)}` }
      : { host: addressOf(node), port: entry.port },
    tls: hasTls ? tlsOptions(parameters, entry) : undefined,
    isDirect: parameters.get('sslnegotiation') === 'direct',
    keepaliveSeconds: isSocket(entry) || Number(parameters.get('keepalives') ?? 1) === 0 ? undefined : idleSeconds(parameters),
    signal,
  });
  const abort = (): void => {
    channel.destroy(signal.reason instanceof Error ? signal.reason : interrupted());
  };
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  const client = new Client(clientConfig(attempt, channel, guard));
  guard.watch(client, channel);
  const lost = new AbortController();
  client.on('error', (error) => {
    lost.abort(new ConnectionFailed(parameters, [{ node, error }])); // the query under way is rejected too; without a listener the process would end
  });
  try {
    await client.connect();
    if (guard.refusal !== undefined) throw guard.refusal;
  } catch (error) {
    channel.destroy();
    if (guard.refusal !== undefined) throw guard.refusal;
    if (signal.aborted) throw signal.reason;
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
  return connectionOf({ client, channel, lost: lost.signal, attempt, keyPid: guard.keyPid });
}

function idleSeconds(parameters: ConnectionParameters): number {
  return Number(parameters.get('keepalives_idle') ?? 30);
}

interface Opened {
  readonly client: Client;
  readonly channel: Socket;
  readonly lost: AbortSignal;
  readonly attempt: Attempt;
  readonly keyPid: number | undefined;
}

function connectionOf({ client, channel, lost, attempt, keyPid }: Opened): Connection {
  const { options, parameters, node } = attempt;
  const abort = (): void => {
    channel.destroy(interrupted());
  };
  options.signal?.addEventListener('abort', abort, { once: true });
  if (options.signal?.aborted === true) abort();
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (!isOpen) return;
    isOpen = false;
    options.signal?.removeEventListener('abort', abort);
    const patience = setTimeout(() => channel.destroy(), goodbyeMs); // a server that hangs says no goodbye
    await client.end();
    clearTimeout(patience);
  };
  return {
    async query(sql, values = []) {
      lost.throwIfAborted();
      try {
        const result = await client.query<Record<string, string | null>>(
          values.length === 0 ? { text: sql, types: asText } : { text: sql, values: [...values], types: asText },
        );
        return result.rows;
      } catch (error) {
        if (sqlStateOf(error) === undefined) throw new ConnectionFailed(parameters, [{ node, error }]);
        throw new OperatorError('query-failed', `PostgreSQL refused a query: ${textOf(error)}`, { cause: error });
      }
    },
    lost,
    node,
    keyPid,
    close,
    [Symbol.asyncDispose]: close,
  };
}

const asText = { getTypeParser: () => (value: string) => value };

function clientConfig({ options, parameters, node: { entry } }: Attempt, channel: Socket, guard: LoginGuard) {
  const { applicationName, isReplication = false } = options;
  const { get, user } = parameters;
  const database = isReplication ? 'replication' : (nonEmpty(get('dbname')) ?? user);
  const written = nonEmpty(get('password'));
  // called when the server asks; without it `pg` would look into the file itself, and write a warning of its own to stderr
  const password = async (): Promise<string> => {
    guard.throwIfRefused();
    if (written !== undefined) return written;
    return await readPassword({ host: nameOfEntry(entry), port: String(entry.port), database, user }, passwordFile(parameters));
  };
  const serverOptions = [nonEmpty(get('options')), isReplication ? '-cdatestyle=iso' : undefined]
    .filter((text) => text !== undefined)
    .join(' ');
  return {
    host: entry.host,
    port: entry.port,
    user,
    database,
    password,
    ...(serverOptions === '' ? {} : { options: serverOptions }),
    ssl: false,
    stream: () => forPg(channel),
    application_name: get('application_name') ?? applicationName,
    enableChannelBinding: parameters.auth.needsChannelBinding && isEncrypted(channel),
    ...(isReplication ? { replication: 'true' } : {}),
  };
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

/** Types of the messages that a server may begin with: R, E, N, S, v. */
const firstMessages: ReadonlySet<number> = new Set(Buffer.from('RENSv'));

/** A channel that is open, as `pg` wants one: it asks for a connection first, and throws at bytes that are no protocol of PostgreSQL. */
function forPg(channel: Socket): Socket {
  const on = channel.on.bind(channel) as (event: string, listener: (...values: unknown[]) => void) => Socket; // as it is declared for events of any name
  let isFirst = true;
  const check = (bytes: unknown): void => {
    if (isFirst && bytes instanceof Buffer && !firstMessages.has(bytes[0] ?? 0)) throw new Error('not an answer to a login');
    isFirst = false;
  };
  const guarded = (event: string, listener: (...values: unknown[]) => void): Socket => {
    const limits = new AnswerLimits();
    return on(
      event,
      event === 'data'
        ? (...values) => {
            try {
              check(values[0]);
              if (values[0] instanceof Buffer) limits.add(values[0]);
              listener(...values);
            } catch (error) {
              channel.destroy(new Error(`it does not answer like PostgreSQL: ${messageOf(error)}`));
            }
          }
        : listener,
    );
  };
  const connected = (): Socket => {
    process.nextTick(() => channel.emit('connect'));
    return channel;
  };
  return Object.assign(channel, { on: guarded, connect: connected });
}
