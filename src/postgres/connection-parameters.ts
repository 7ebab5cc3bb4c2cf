import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../shared/environment.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { type AuthRequirement, authRequirementOf } from './auth-requirement.ts';
import type { Conninfo } from './conninfo.ts';
import {
  type ConninfoKey,
  type ConninfoKeyword,
  conninfoKeywordList,
  conninfoKeywords,
  isConninfoKey,
} from './conninfo-keywords.ts';

/** One host of a connection string. */
export interface HostEntry {
  /** As it is written: a name, an address, or the folder of a socket; empty with an address alone. */
  readonly host: string;
  /** Address to connect to instead of looking the name up; empty for none. */
  readonly hostaddr: string;
  readonly port: number;
}

/** The one of the hosts of a connection string that answered. */
export interface Node {
  readonly entry: HostEntry;
  /** Address of a name that has several; undefined where `entry` says it all. */
  readonly address: string | undefined;
}

export type SessionAttributes = 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby';

type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

/** The parameters of a connection string, its service and the environment, checked. */
export interface ConnectionParameters {
  /** Value of a keyword; undefined when none of the three says anything and it has no default. */
  readonly get: (key: ConninfoKey) => string | undefined;
  readonly hosts: readonly HostEntry[];
  readonly isBalanced: boolean;
  readonly sessionAttributes: SessionAttributes;
  readonly sslMode: SslMode;
  readonly auth: AuthRequirement;
  readonly user: string;
  /** For `.pgpass` and `.postgresql` below it. */
  readonly homeFolder: string;
  /** The file that SSL_CERT_FILE names for OpenSSL: the certificates that this host trusts. */
  readonly trustedFile: string | undefined;
}

const defaultSocketFolder = '/var/run/postgresql';
const highestPort = 65_535;

/**
 * Completes a connection string as libpq does, from the environment and its defaults, and refuses what libpq refuses and what cannot be
 * honoured.
 * @param conninfo without its service, see `withService`
 * @throws OperatorError `configuration-invalid` with the keyword
 */
export function readParameters(conninfo: Conninfo, environment: Environment): ConnectionParameters {
  for (const key of conninfo.keys()) {
    if (!isConninfoKey(key))
      throw invalid(`libpq has no keyword "${key}"`, 'compare the spelling with docs/connection-strings.md');
  }
  const values = completed(conninfo, environment);
  for (const [key, { problem, refusal, isSecret }] of conninfoKeywordList) {
    const value = values.get(key);
    if (value === undefined) continue;
    const reason = problem?.(value) ?? refusal?.(value);
    const shown = isSecret === true ? key : `${key}=${value}`;
    if (reason !== undefined) throw invalid(`${shown} is refused: ${reason}`, sourceOf(key, conninfo));
  }
  const text = (key: ConninfoKey): string => values.get(key) ?? '';
  const hosts = hostsOf(text('host'), text('hostaddr'), text('port'));
  refuseCombinations(text, hosts);
  return {
    get: (key) => values.get(key),
    hosts,
    isBalanced: text('load_balance_hosts') === 'random',
    sessionAttributes: text('target_session_attrs') as SessionAttributes, // the table lets no other value pass
    sslMode: text('sslmode') as SslMode, // here, too
    auth: authRequirementOf(text('require_auth'), text('channel_binding')),
    user: text('user'),
    homeFolder: environment['HOME'] ?? '/',
    trustedFile: environment['SSL_CERT_FILE'],
  };
}

function completed(conninfo: Conninfo, environment: Environment): ReadonlyMap<ConninfoKey, string> {
  const values = new Map<ConninfoKey, string>();
  for (const [key, { variable, byDefault }] of conninfoKeywordList) {
    const value = conninfo.get(key) ?? (variable === undefined ? undefined : environment[variable]) ?? byDefault;
    if (value !== undefined) values.set(key, value);
  }
  const hasSslMode = conninfo.has('sslmode') || environment['PGSSLMODE'] !== undefined;
  if (!hasSslMode && environment['PGREQUIRESSL']?.startsWith('1') === true) values.set('sslmode', 'require');
  else if (!hasSslMode && values.get('sslrootcert') === 'system') values.set('sslmode', 'verify-full');
  if ((values.get('user') ?? '') === '') values.set('user', ownName(environment));
  return values;
}

/** As libpq, which asks for the name of the effective user. */
function ownName(environment: Environment): string {
  try {
    return userInfo().username;
  } catch {
    return environment['USER'] ?? environment['LOGNAME'] ?? ''; // a user without an entry in passwd
  }
}

function sourceOf(key: ConninfoKey, conninfo: Conninfo): string {
  const { variable }: ConninfoKeyword = conninfoKeywords[key];
  if (conninfo.has(key) || variable === undefined)
    return 'correct the connection string: docs/connection-strings.md lists each keyword';
  return `correct ${variable} of the environment: docs/connection-strings.md lists each keyword`;
}

function hostsOf(host: string, hostaddr: string, port: string): readonly HostEntry[] {
  const names = host === '' ? [] : host.split(',');
  const addresses = hostaddr === '' ? [] : hostaddr.split(',');
  if (names.length > 0 && addresses.length > 0 && names.length !== addresses.length) {
    throw invalid(
      `host has ${String(names.length)} entries and hostaddr has ${String(addresses.length)}`,
      'write one address for each host',
    );
  }
  const count = Math.max(names.length, addresses.length, 1);
  const ports = port.split(',');
  if (ports.length !== 1 && ports.length !== count) {
    throw invalid(`there are ${String(ports.length)} ports for ${String(count)} hosts`, 'write one port, or one for each host');
  }
  return Array.from({ length: count }, (_, at) => {
    const address = addresses[at] ?? '';
    const name = names[at] ?? '';
    return {
      host: name === '' && address === '' ? defaultSocketFolder : name,
      hostaddr: address,
      port: portOf(ports.length === 1 ? (ports[0] ?? '') : (ports[at] ?? '')),
    };
  });
}

function portOf(text: string): number {
  if (text === '') return 5432;
  const port = /^[ \t-\r]*\+?\d+[ \t-\r]*$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= highestPort) return port;
  throw invalid(
    `port=${text} is refused: it takes a number from 1 to ${String(highestPort)}`,
    'correct the connection string or PGPORT',
  );
}

/** Whether an entry is reached through a socket of this host. */
export function isSocket({ host, hostaddr }: HostEntry): boolean {
  return hostaddr === '' && /^[/@]/.test(host);
}

/** The name of a host: here, in messages and in the password file. */
export function nameOfEntry({ host, hostaddr }: HostEntry): string {
  return host === '' ? hostaddr : host;
}

/** Host to open a TCP connection to. */
export function addressOf({ entry, address }: Node): string {
  return address ?? (entry.hostaddr === '' ? entry.host : entry.hostaddr);
}

/** How a node is named in messages. */
export function nameOfNode({ entry, address }: Node): string {
  const name = nameOfEntry(entry);
  const more = address === undefined || address === name ? '' : ` (${address})`;
  return `${name}${more} port ${String(entry.port)}`;
}

function refuseCombinations(text: (key: ConninfoKey) => string, hosts: readonly HostEntry[]): void {
  const mode = text('sslmode');
  const refuse = (pair: string, hint: string): never => {
    throw invalid(`${pair} is refused`, hint);
  };
  if (text('sslrootcert') === 'system' && mode !== 'verify-full')
    refuse(
      `sslmode=${mode} with sslrootcert=system`,
      'anybody can have a certificate of these authorities: use sslmode=verify-full',
    );
  if (text('sslnegotiation') === 'direct' && !['require', 'verify-ca', 'verify-full'].includes(mode))
    refuse(`sslmode=${mode} with sslnegotiation=direct`, 'use sslmode=require, verify-ca or verify-full');
  const [oldest, newest] = [text('ssl_min_protocol_version'), text('ssl_max_protocol_version')].map((name) =>
    name.toLowerCase(),
  );
  if (oldest !== '' && newest !== '' && (oldest ?? '') > (newest ?? ''))
    refuse('ssl_min_protocol_version above ssl_max_protocol_version', 'exchange them');
  if (text('requirepeer') !== '' && hosts.some(isSocket))
    refuse(
      'requirepeer for a socket',
      'pgcellar cannot tell the user of a server process: leave it out, the folder of the socket protects it',
    );
  if (/^[^/]*:/.test(text('sslkey'))) refuse('sslkey with an engine of OpenSSL', 'give the path of a file');
}

/** Path of libpq's password file. */
export function passwordFile({ get, homeFolder }: Pick<ConnectionParameters, 'get' | 'homeFolder'>): string {
  const path = get('passfile');
  return path === undefined || path === '' ? join(homeFolder, '.pgpass') : path;
}

/** Path of a file of the user for TLS, where the connection string names none. */
export function userFile({ homeFolder }: Pick<ConnectionParameters, 'homeFolder'>, name: string): string {
  return join(homeFolder, '.postgresql', name);
}

function invalid(message: string, hint: string): OperatorError {
  return new OperatorError('configuration-invalid', `connection string: ${message}`, { hint });
}
