import { OperatorError } from '../shared/operator-error.ts';

/** Connection parameters by libpq's names, in the order they were written. */
export type Conninfo = ReadonlyMap<string, string>;

/**
 * Reads a connection string as libpq does: blank separated `key=value` with its quoting, or a `postgresql://` URI (PostgreSQL manual,
 * chapter "libpq", Connection Strings). Which keywords there are, and which values they take, is not looked at.
 * @throws OperatorError `configuration-invalid`; the message never repeats the text, which may hold a password
 */
export function parseConninfo(text: string): Conninfo {
  const uri = /^postgres(?:ql)?:\/\/(.*)$/s.exec(text.trim())?.[1];
  return uri === undefined ? parsePairs(text) : parseUri(uri);
}

/** Keyword, equals sign, and a value in quotes or up to the next blank; nothing need follow a closing quote. */
const pair = /^([^= \t-\r]+)[ \t-\r]*=[ \t-\r]*(?:'((?:[^'\\]|\\.)*)'|(?!')((?:[^ \t-\r\\]|\\.)*)\\?)[ \t-\r]*/s;

function parsePairs(text: string): Conninfo {
  const parameters = new Map<string, string>();
  let rest = text.replace(/^[ \t-\r]+/, '');
  while (rest !== '') {
    const [whole = '', key = '', quoted, plain] = pair.exec(rest) ?? [];
    if (whole === '') throw unreadable();
    store(parameters, key, (quoted ?? plain ?? '').replaceAll(/\\(.)/gs, '$1'));
    rest = rest.slice(whole.length);
  }
  return parameters;
}

/** `requiressl` is what libpq still takes for a `sslmode` of its first years. */
function store(parameters: Map<string, string>, key: string, value: string): void {
  if (key === 'requiressl') parameters.set('sslmode', value.startsWith('1') ? 'require' : 'prefer');
  else parameters.set(key, value);
}

/** Whether libpq could read a connection string. Says nothing about the keys. */
export function isConninfo(text: string): boolean {
  try {
    return parseConninfo(text).size > 0;
  } catch (error) {
    if (error instanceof OperatorError) return false;
    throw error;
  }
}

/** The string for libpq: `key=value` pairs, quoted where needed. */
export function formatConninfo(conninfo: Conninfo): string {
  return [...conninfo].map(([key, value]) => `${key}=${quoteValue(value)}`).join(' ');
}

/** The same parameters without the password, which must not stand in a command line, and the password for `PGPASSWORD`. */
export function withoutPassword(conninfo: Conninfo): { readonly conninfo: Conninfo; readonly password: string | undefined } {
  const rest = new Map(conninfo);
  rest.delete('password');
  return { conninfo: rest, password: conninfo.get('password') };
}

/** Parameters that a client program gets: a name to be seen by, and a safe search path. */
export function clientConninfo(conninfo: Conninfo, applicationName: string): Conninfo {
  const parameters = new Map(conninfo);
  parameters.delete('replication'); // the programs set it themselves
  parameters.delete('dbname');
  parameters.set('dbname', conninfo.get('dbname') ?? 'replication');
  if (!parameters.has('application_name')) parameters.set('application_name', applicationName);
  if (!parameters.has('options')) parameters.set('options', '-csearch_path=');
  return parameters;
}

const keepalives = { keepalives_idle: '30', keepalives_interval: '10', keepalives_count: '3' };

/** The same parameters, and that a peer which is gone without a word is noticed in a minute: by default it takes two hours. */
export function withKeepalives(conninfo: Conninfo): Conninfo {
  if (conninfo.get('keepalives') === '0') return conninfo;
  return new Map([...Object.entries(keepalives), ...conninfo]);
}

function quoteValue(value: string): string {
  if (/^[^\s'\\]+$/.test(value)) return value;
  return `'${value.replaceAll(/['\\]/g, '\\$&')}'`;
}

/** The part after `postgresql://`, in the order in which libpq looks at it. */
function parseUri(text: string): Conninfo {
  const parameters = new Map<string, string>();
  const [, user, password, rest = ''] = /^(?:([^:@/]*)(?::([^@/]*))?@)?(.*)$/s.exec(text) ?? [];
  const parts = /^((?:\[[^\]]*\]|[^/?[])*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(rest);
  if (parts === null) throw unreadable();
  const [, hosts = '', database, query = ''] = parts;
  const set = (key: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') parameters.set(key, decode(value));
  };
  const addresses = hosts.split(',').map(splitAddress);
  set('host', listOf(addresses.map(({ host }) => host)));
  set('port', listOf(addresses.map(({ port }) => port)));
  set('user', user);
  set('password', password);
  set('dbname', database);
  for (const part of query === '' ? [] : query.replace(/&$/, '').split('&')) {
    const [key = '', value, ...more] = part.split('=');
    if (value === undefined || more.length > 0) throw unreadable();
    if (key === 'ssl' && value === 'true') parameters.set('sslmode', 'require');
    else store(parameters, decode(key), decode(value));
  }
  return parameters;
}

function splitAddress(text: string): { readonly host: string; readonly port: string } {
  const [, inBrackets, plain = '', port = ''] = /^(?:\[([^\]]+)\]|([^:[]*))(?::(.*))?$/s.exec(text) ?? [];
  if (inBrackets === undefined && plain === '' && port === '' && !/^:?$/.test(text)) throw unreadable();
  return { host: inBrackets ?? plain, port };
}

function listOf(values: readonly string[]): string {
  return values.join(',').replace(/^,*$/, '');
}

/** As PostgreSQL 18: a blank within is written `%20`, those around a value do not count. */
function decode(value: string): string {
  const text = value.replaceAll(/^ +| +$/g, '');
  if (text.includes(' ') || text.includes('%00')) throw unreadable();
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) throw unreadable();
    throw error;
  }
}

function unreadable(): OperatorError {
  return new OperatorError('configuration-invalid', 'a connection string cannot be read', {
    hint: 'write key=value pairs with blanks between them, or postgresql://user@host:port/dbname; quote values with blanks in single quotes',
  });
}
