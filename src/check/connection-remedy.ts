import { ConnectionFailed, sqlStateOf } from '../postgres/connection-failure.ts';
import { addressOf, isSocket, nameOfEntry, nameOfNode, passwordFile } from '../postgres/connection-parameters.ts';
import { type Conninfo, formatConninfo, parseConninfo, withoutPassword } from '../postgres/conninfo.ts';
import { localAddressTowards } from '../postgres/local-address.ts';
import { PasswordMissing, passwordEntry } from '../postgres/password-file.ts';
import { expectedFailureOf, messageOf, OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { mendedBy, type NamedRemedy, type RemedyKey } from './remedies.ts';
import type { QueryOption } from './remedy.ts';

/** The remedy for a connection for queries that cannot be made. */
export const queryRemedies: readonly RemedyKey[] = [
  'not-listening',
  'not-let-in',
  'not-let-in-locally',
  'password-wrong',
  'database-missing',
  'no-connection-free',
  'conninfo-unset',
  'no-connection',
  'server-too-old',
];

/** The remedy for a replication connection that cannot be made. */
export const streamRemedies: readonly RemedyKey[] = [
  'not-listening',
  'stream-not-let-in',
  'stream-not-let-in-locally',
  'password-wrong',
  'no-replication-right',
  'no-sender-free',
  'conninfo-unset',
  'no-connection',
];

interface FailedConnection {
  /** Option that the connection string stands in. */
  readonly key: string;
  readonly conninfo: string;
  readonly isReplication: boolean;
  readonly error: unknown;
}

/** The remedy for a connection that was not made, by the SQLSTATE or the code of the failure. */
export async function connectionRemedy(failed: FailedConnection): Promise<NamedRemedy> {
  return { ...(await remedyOfState(failed)), over: queriedInstead(failed.key) };
}

/** The connection for queries to the same server: that of a replication connection may work. */
function queriedInstead(key: string): QueryOption {
  if (key === 'primary_conninfo') return key;
  return key.startsWith('wal_') ? 'wal_conninfo' : 'conninfo';
}

async function remedyOfState({ key, conninfo: text, isReplication, error }: FailedConnection): Promise<NamedRemedy> {
  const conninfo = readable(text);
  if (conninfo === undefined) return mendedBy('conninfo-unset', { key });
  const inGeneral = mendedBy('no-connection', { reason: messageOf(error), psql: better(conninfo, {}) });
  if (!(error instanceof ConnectionFailed)) return inGeneral;
  const { nodes, parameters } = error;
  const node = nodes.at(-1);
  if (node === undefined) return inGeneral;
  const where = nodes.map(nameOfNode).join(' and ');
  const isLocal = isSocket(node.entry);
  const role = parameters.user;
  const database = parameters.get('dbname') ?? role;
  switch (stateOf(error)) {
    case '28000':
      return isLocal
        ? mendedBy(isReplication ? 'stream-not-let-in-locally' : 'not-let-in-locally', { where, role, database })
        : mendedBy(isReplication ? 'stream-not-let-in' : 'not-let-in', {
            where,
            role,
            database,
            address: (await localAddressTowards(addressOf(node), node.entry.port)) ?? 'all',
          });
    case '28P01':
      return mendedBy('password-wrong', {
        role,
        passfile: passwordFile(parameters),
        passEntry: passwordEntry({
          host: nameOfEntry(node.entry),
          port: String(node.entry.port),
          database: isReplication ? 'replication' : '*',
          user: role,
        }),
      });
    case '3D000':
      return mendedBy('database-missing', { key, where, better: better(conninfo, { dbname: 'postgres' }) });
    case '42501':
      return mendedBy('no-replication-right', { role });
    case '53300':
      return isReplication
        ? mendedBy('no-sender-free', { senders: moreSenders(messageOf(error)) })
        : mendedBy('no-connection-free', { role });
    case 'ECONNREFUSED':
      return mendedBy('not-listening', { key, where });
    case 'ENOENT':
      if (isLocal && isOfConnecting(error)) return mendedBy('not-listening', { key, where }); // or a file of the certificates
      return inGeneral;
    default:
      return inGeneral;
  }
}

/** Never fewer than there are: the server says in brackets how many it has, in any language. */
function moreSenders(said: string): string | undefined {
  const current = /\(\D*(\d+)\)/.exec(said)?.[1];
  return current === undefined ? undefined : String(Math.max(10, Number(current) + 5));
}

function isOfConnecting(error: unknown): boolean {
  const cause: unknown = error instanceof OperatorError ? error.cause : error;
  return cause instanceof Error && 'syscall' in cause && cause.syscall === 'connect';
}

/** The connection string without its password, with other values. */
function better(conninfo: Conninfo, values: Readonly<Record<string, string>>): string {
  return formatConninfo(new Map([...withoutPassword(conninfo).conninfo, ...Object.entries(values)]));
}

/** The connection string without its password, for another place. */
export function movedTo(conninfo: Conninfo, place: Conninfo): string {
  const kept = [...conninfo].filter(([key]) => !isOfPlace(key));
  return better(new Map(kept), Object.fromEntries([...place].filter(([key]) => isOfPlace(key))));
}

function isOfPlace(key: string): boolean {
  return ['host', 'hostaddr', 'port'].includes(key);
}

function stateOf(error: unknown): string | undefined {
  const cause = error instanceof OperatorError ? error.cause : error;
  if (cause instanceof PasswordMissing) return '28P01';
  return sqlStateOf(error) ?? systemCodeOf(cause);
}

function readable(text: string): Conninfo | undefined {
  try {
    return parseConninfo(text);
  } catch (error) {
    if (expectedFailureOf(error) === undefined) throw error;
    return undefined;
  }
}
