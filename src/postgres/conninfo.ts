import { OperatorError } from '../shared/operator-error.ts';

/** Connection parameters by libpq's names, in the order they were written. */
export type Conninfo = ReadonlyMap<string, string>;

const pair = /^([A-Za-z_]\w*)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|(?!')((?:[^\s\\]|\\.)*))(?=\s|$)\s*/s;

/**
 * Reads a connection string: blank separated `key=value` with libpq's quoting, or a `postgresql://` URI (PostgreSQL manual, chapter
 * "libpq", Connection Strings).
 * @throws OperatorError `configuration-invalid`; the message never repeats the text, which may hold a password
 */
export function parseConninfo(text: string): Conninfo {
  if (/^postgres(ql)?:\/\/\S*$/.test(text.trim())) return parseUri(text.trim());
  const parameters = new Map<string, string>();
  let rest = text.trim();
  while (rest !== '') {
    const [whole = '', key = '', quoted, plain] = pair.exec(rest) ?? [];
    if (whole === '') throw unreadable();
    parameters.set(key, (quoted ?? plain ?? '').replaceAll(/\\(.)/gs, '$1'));
    rest = rest.slice(whole.length);
  }
  return parameters;
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

function parseUri(text: string): Conninfo {
  const [, , user, password, hosts = '', database = '', query = ''] =
    /^postgres(ql)?:\/\/(?:([^:@/?]*)(?::([^@/?]*))?@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(text) ?? [];
  const parameters = new Map<string, string>();
  const set = (key: string, value: string | undefined): void => {
    if (value !== undefined && value !== '') parameters.set(key, decode(value));
  };
  const addresses = hosts.split(',').map((host) => /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(host) ?? []);
  set(
    'host',
    addresses
      .map(([, host = '']) => host.replaceAll(/[[\]]/g, ''))
      .join(',')
      .replace(/^,*$/, ''),
  );
  set(
    'port',
    addresses
      .map(([, , port = '']) => port)
      .join(',')
      .replace(/^,*$/, ''),
  );
  set('user', user);
  set('password', password);
  set('dbname', database);
  for (const pair of query.split('&')) {
    const [key = '', value = ''] = pair.split('=');
    if (key === 'ssl' && value === 'true') set('sslmode', 'require');
    else if (key !== '') set(key, value);
  }
  if (parameters.size === 0) throw unreadable();
  return parameters;
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
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
