import { messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { type ConnectionParameters, type Node, nameOfEntry, nameOfNode } from './connection-parameters.ts';

/** A host that was tried, and why it did not do. */
export interface Failure {
  readonly node: Node;
  readonly error: unknown;
}

/** No host of a connection string took the connection, or the one that did broke it. */
export class ConnectionFailed extends OperatorError {
  /** The nodes that failed as the last one did, whose failure is the `cause`. */
  readonly nodes: readonly Node[];
  readonly parameters: ConnectionParameters;

  constructor(parameters: ConnectionParameters, failures: readonly Failure[]) {
    const { user } = parameters;
    const [only, ...more] = failures;
    const last = failures.at(-1);
    const texts = failures.map((failure) => `${nameOfNode(failure.node)}: ${textOf(failure.error)}`);
    const message =
      only === undefined || more.length > 0
        ? `cannot connect to PostgreSQL as ${user}: ${texts.join('; ')}`
        : `cannot connect to PostgreSQL on ${nameOfNode(only.node)} as ${user}: ${textOf(only.error)}`;
    const host = last === undefined ? '' : nameOfEntry(last.node.entry);
    super('connection-failed', message, {
      hint: hintFor(last?.error, host),
      cause: last?.error,
      asBarman: failures.map((failure) => inLibpqsWords(failure)),
    });
    this.parameters = parameters;
    const code = systemCodeOf(last?.error);
    this.nodes = failures.filter(({ error }) => systemCodeOf(error) === code).map(({ node }) => node);
  }
}

/** SQLSTATE of a failed query; undefined for other failures. */
export function sqlStateOf(error: unknown): string | undefined {
  const cause: unknown = error instanceof OperatorError ? error.cause : error;
  const code = systemCodeOf(cause);
  return code !== undefined && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** The longest message of a server that is kept: it goes into the log, records and the environment of hooks. */
const longestMessage = 2000;

/** The reason of the failure, in the words of the server or the network. */
export function textOf(error: unknown): string {
  const text = messageOf(error) === '' ? (systemCodeOf(error) ?? 'no connection') : messageOf(error);
  return text.length > longestMessage ? `${text.slice(0, longestMessage)}…` : text;
}

/** As libpq tells it, the part that Barman shows. */
function inLibpqsWords({ node: { entry, address }, error }: Failure): string {
  const host = nameOfEntry(entry);
  const code = systemCodeOf(error) ?? '';
  const reasons: ReadonlyMap<string, string> = new Map([
    ['ECONNREFUSED', 'Connection refused'],
    ['ENOENT', 'No such file or directory'],
    ['EACCES', 'Permission denied'],
    ['EHOSTUNREACH', 'No route to host'],
    ['ENETUNREACH', 'Network is unreachable'],
    ['ETIMEDOUT', 'Connection timed out'],
  ]);
  const severity = /^[0-9A-Z]{5}$/.test(code) ? 'FATAL:  ' : '';
  const behind = address === undefined ? '' : ` (${address})`;
  const port = String(entry.port);
  const where = host.startsWith('/') ? `on socket "${host}/.s.PGSQL.${port}"` : `at "${host}"${behind}, port ${port}`;
  return `connection to server ${where} failed: ${severity}${reasons.get(code) ?? textOf(error)}`;
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
