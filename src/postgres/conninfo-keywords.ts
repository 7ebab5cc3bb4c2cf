import { authRequirementProblem } from './auth-requirement.ts';

/**
 * How a keyword of a connection string is treated. `honoured`: as libpq does. `refused`: a value that asks for what cannot be had here ends
 * the attempt before anything is sent. `programs`: `pg_basebackup` and `pg_receivewal` get it; our own connections have no use for it.
 */
type KeywordTreatment = 'honoured' | 'refused' | 'programs';

/** One keyword of libpq. */
export interface ConninfoKeyword {
  readonly treatment: KeywordTreatment;
  /** Environment variable that counts where the string and its service say nothing. */
  readonly variable?: string;
  readonly byDefault?: string;
  /** For the page about them. */
  readonly meaning: string;
  /** Never in a command line, a log or a message. */
  readonly isSecret?: boolean;
  /** Why libpq refuses a value; undefined when it does not. */
  readonly problem?: (value: string) => string | undefined;
  /** Why we refuse one that libpq takes; undefined when we do not. */
  readonly refusal?: (value: string) => string | undefined;
}

const oneOf = (values: readonly string[]) => (value: string) =>
  values.includes(value) ? undefined : `it takes ${values.filter((one) => one !== '').join(', ')}`;
const integer = (value: string) => (/^[ \t-\r]*[+-]?\d+[ \t-\r]*$/.test(value) ? undefined : 'it takes a whole number');
const isSet = (reason: string) => (value: string) => (value === '' ? undefined : reason);
const onlyIn = (values: readonly string[], reason: string) => (value: string) => (values.includes(value) ? reason : undefined);

/** As a server reads a truth value, or `database`. */
const replicationModes = /^(?:t(?:r(?:ue?)?)?|f(?:a(?:l(?:se?)?)?)?|y(?:es?)?|no?|on|off?|[01])?$/i;
const replicationMode = (value: string) =>
  value === 'database' || replicationModes.test(value) ? undefined : 'it takes a truth value or database';

const tlsVersions = /^(?:TLSv1|TLSv1\.[123])?$/i;
const tlsVersion = (value: string) => (tlsVersions.test(value) ? undefined : 'it takes TLSv1, TLSv1.1, TLSv1.2, TLSv1.3');
const noOauth = isSet('pgcellar cannot log in by OAuth');
const noScramKeys = isSet('pgcellar logs in with a password, not with the keys derived from it');
const noGss = 'GSSAPI authentication: only the programs of PostgreSQL use it';

/** Every keyword of libpq 18, in the order of its manual (chapter "libpq", Parameter Key Words). */
export const conninfoKeywords = {
  host: {
    treatment: 'honoured',
    variable: 'PGHOST',
    meaning:
      'Names, addresses or socket folders, tried in their order. Certificates and the password file are compared with it.',
  },
  hostaddr: {
    treatment: 'honoured',
    variable: 'PGHOSTADDR',
    meaning: 'Addresses to connect to, one for each `host`. The host is then not looked up.',
  },
  port: {
    treatment: 'honoured',
    variable: 'PGPORT',
    byDefault: '5432',
    meaning: 'One port for all hosts, or one for each.',
  },
  dbname: {
    treatment: 'honoured',
    variable: 'PGDATABASE',
    meaning: 'Database for queries; the name of the user when it is missing. Replication needs none.',
  },
  user: { treatment: 'honoured', variable: 'PGUSER', meaning: 'The role; the user that runs pgcellar when it is missing.' },
  password: {
    treatment: 'honoured',
    variable: 'PGPASSWORD',
    isSecret: true,
    meaning: 'For all hosts. The programs get it in their environment. Prefer a password file.',
  },
  passfile: {
    treatment: 'honoured',
    variable: 'PGPASSFILE',
    meaning: 'Password file, `~/.pgpass` by default: a line for each host. It is ignored while others may read it.',
  },
  require_auth: {
    treatment: 'honoured',
    variable: 'PGREQUIREAUTH',
    problem: authRequirementProblem,
    meaning: 'The methods that a server may ask for. Any other request is refused before a password is sent.',
  },
  channel_binding: {
    treatment: 'honoured',
    variable: 'PGCHANNELBINDING',
    byDefault: 'prefer',
    problem: oneOf(['disable', 'prefer', 'require']),
    meaning:
      '`require`: the login must be SCRAM bound to the TLS channel. Our own connections treat `prefer` as `disable`, because the server alone would choose.',
  },
  connect_timeout: {
    treatment: 'honoured',
    variable: 'PGCONNECT_TIMEOUT',
    problem: integer,
    meaning: 'Seconds for each address until the login is complete; 20 when it is missing, 0 for no limit.',
  },
  client_encoding: {
    treatment: 'programs',
    variable: 'PGCLIENTENCODING',
    meaning: 'Our own connections use the encoding of the database.',
  },
  options: {
    treatment: 'honoured',
    variable: 'PGOPTIONS',
    meaning: 'Command-line options for the server. The programs get `-csearch_path=` when it is missing.',
  },
  application_name: {
    treatment: 'honoured',
    meaning:
      'Replaces `streaming_archiver_name` and `streaming_backup_name`. PGAPPNAME is not read, because these options override it.',
  },
  fallback_application_name: {
    treatment: 'honoured',
    meaning: 'Has no effect, as in libpq: each connection has an `application_name`.',
  },
  keepalives: {
    treatment: 'honoured',
    problem: integer,
    meaning: '0 sends no keepalives on TCP connections.',
  },
  keepalives_idle: {
    treatment: 'honoured',
    problem: integer,
    meaning: 'Seconds of silence before the first keepalive; 30 when it is missing.',
  },
  keepalives_interval: {
    treatment: 'programs',
    problem: integer,
    meaning: 'Seconds between keepalives: 10 for the programs when it is missing, 1 for our own connections.',
  },
  keepalives_count: {
    treatment: 'programs',
    problem: integer,
    meaning: 'Keepalives without an answer: 3 for the programs when it is missing, 10 for our own connections.',
  },
  tcp_user_timeout: {
    treatment: 'programs',
    problem: integer,
    meaning: 'Milliseconds until data without an acknowledgement break the connection.',
  },
  replication: {
    treatment: 'honoured',
    problem: replicationMode,
    meaning:
      'pgcellar sets it for each connection, and ignores the value in the string; a value that a server refuses is refused.',
  },
  gssencmode: {
    treatment: 'refused',
    variable: 'PGGSSENCMODE',
    byDefault: 'prefer',
    problem: oneOf(['disable', 'prefer', 'require']),
    refusal: onlyIn(['require'], 'pgcellar cannot encrypt with GSSAPI: use TLS (sslmode)'),
    meaning: '`require` is refused. With `prefer`, our own connections behave like libpq without a Kerberos ticket.',
  },
  sslmode: {
    treatment: 'honoured',
    variable: 'PGSSLMODE',
    byDefault: 'prefer',
    problem: oneOf(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']),
    meaning: 'As in libpq, with its fallback of `prefer` and `allow`. It is ignored for sockets.',
  },
  sslnegotiation: {
    treatment: 'honoured',
    variable: 'PGSSLNEGOTIATION',
    byDefault: 'postgres',
    problem: oneOf(['postgres', 'direct']),
    meaning: '`direct` begins with TLS (PostgreSQL 17 and newer) and needs `sslmode=require` or more.',
  },
  sslcompression: {
    treatment: 'honoured',
    variable: 'PGSSLCOMPRESSION',
    meaning: 'Has no effect, as in libpq since PostgreSQL 14: TLS is never compressed.',
  },
  sslcert: {
    treatment: 'honoured',
    variable: 'PGSSLCERT',
    meaning: 'Certificate of the client, `~/.postgresql/postgresql.crt` by default; a missing one is not sent.',
  },
  sslkey: {
    treatment: 'honoured',
    variable: 'PGSSLKEY',
    meaning:
      'Its private key, `~/.postgresql/postgresql.key` by default. As in libpq, a key that others may read is refused. An engine of OpenSSL is refused.',
  },
  sslcertmode: {
    treatment: 'refused',
    variable: 'PGSSLCERTMODE',
    problem: oneOf(['disable', 'allow', 'require']),
    refusal: onlyIn(['require'], 'pgcellar cannot tell whether the server asks for a certificate'),
    meaning: '`require` is refused. `disable` sends no certificate.',
  },
  sslpassword: {
    treatment: 'honoured',
    isSecret: true,
    meaning: 'Passphrase of the private key. The programs get it through an unlinked service file.',
  },
  sslrootcert: {
    treatment: 'honoured',
    variable: 'PGSSLROOTCERT',
    meaning:
      'Certificates to trust, `~/.postgresql/root.crt` by default; `system` trusts those of the operating system, with `verify-full` only.',
  },
  sslcrl: {
    treatment: 'honoured',
    variable: 'PGSSLCRL',
    meaning: 'Revoked certificates, `~/.postgresql/root.crl` by default. libpq ignores a missing file; pgcellar refuses it.',
  },
  sslcrldir: {
    treatment: 'honoured',
    variable: 'PGSSLCRLDIR',
    meaning: 'A folder of such files, named by `openssl rehash`.',
  },
  sslsni: {
    treatment: 'honoured',
    variable: 'PGSSLSNI',
    byDefault: '1',
    meaning: 'Any value that does not begin with `1` sends no name of the host in clear.',
  },
  requirepeer: {
    treatment: 'refused',
    variable: 'PGREQUIREPEER',
    meaning: 'Refused for sockets: pgcellar cannot tell the user of a server process. As in libpq, it is ignored for TCP.',
  },
  ssl_min_protocol_version: {
    treatment: 'honoured',
    variable: 'PGSSLMINPROTOCOLVERSION',
    byDefault: 'TLSv1.2',
    problem: tlsVersion,
    meaning: 'The oldest version of TLS.',
  },
  ssl_max_protocol_version: {
    treatment: 'honoured',
    variable: 'PGSSLMAXPROTOCOLVERSION',
    problem: tlsVersion,
    meaning: 'The newest version of TLS.',
  },
  min_protocol_version: {
    treatment: 'refused',
    variable: 'PGMINPROTOCOLVERSION',
    problem: oneOf(['', '3.0', '3.2', 'latest']),
    refusal: onlyIn(['3.2', 'latest'], 'pgcellar speaks version 3.0 of the protocol, which every server takes'),
    meaning: 'More than 3.0 is refused.',
  },
  max_protocol_version: {
    treatment: 'honoured',
    variable: 'PGMAXPROTOCOLVERSION',
    problem: oneOf(['', '3.0', '3.2', 'latest']),
    meaning: 'Our own connections always use 3.0.',
  },
  krbsrvname: { treatment: 'programs', variable: 'PGKRBSRVNAME', byDefault: 'postgres', meaning: `For ${noGss}.` },
  gsslib: { treatment: 'programs', variable: 'PGGSSLIB', meaning: `For ${noGss}.` },
  gssdelegation: { treatment: 'programs', variable: 'PGGSSDELEGATION', byDefault: '0', meaning: `For ${noGss}.` },
  scram_client_key: {
    treatment: 'refused',
    isSecret: true,
    refusal: noScramKeys,
    meaning: 'Refused: it replaces the password, which pgcellar needs.',
  },
  scram_server_key: {
    treatment: 'refused',
    isSecret: true,
    refusal: noScramKeys,
    meaning: 'Refused: it replaces the password, which pgcellar needs.',
  },
  service: {
    treatment: 'honoured',
    variable: 'PGSERVICE',
    meaning:
      'Parameters under a name in PGSERVICEFILE or `~/.pg_service.conf`, then in `pg_service.conf` of PGSYSCONFDIR or of the system. The string overrides them.',
  },
  target_session_attrs: {
    treatment: 'honoured',
    variable: 'PGTARGETSESSIONATTRS',
    byDefault: 'any',
    problem: oneOf(['any', 'read-write', 'read-only', 'primary', 'standby', 'prefer-standby']),
    meaning: 'The state that a host must be in, when several are named.',
  },
  load_balance_hosts: {
    treatment: 'honoured',
    variable: 'PGLOADBALANCEHOSTS',
    byDefault: 'disable',
    problem: oneOf(['disable', 'random']),
    meaning: '`random` tries hosts and their addresses in random order. The programs get the host that was found.',
  },
  oauth_issuer: { treatment: 'refused', refusal: noOauth, meaning: 'Refused: pgcellar cannot log in by OAuth.' },
  oauth_client_id: { treatment: 'refused', refusal: noOauth, meaning: 'Refused: pgcellar cannot log in by OAuth.' },
  oauth_client_secret: {
    treatment: 'refused',
    isSecret: true,
    refusal: noOauth,
    meaning: 'Refused: pgcellar cannot log in by OAuth.',
  },
  oauth_scope: { treatment: 'refused', refusal: noOauth, meaning: 'Refused: pgcellar cannot log in by OAuth.' },
  sslkeylogfile: { treatment: 'programs', meaning: 'A file for the keys of each TLS session, for debugging.' },
} as const satisfies Record<string, ConninfoKeyword>;

/** A keyword of libpq. */
export type ConninfoKey = keyof typeof conninfoKeywords;

/** Keywords with what is known of each. */
export const conninfoKeywordList: readonly (readonly [ConninfoKey, ConninfoKeyword])[] = Object.entries(
  conninfoKeywords,
) as (readonly [ConninfoKey, ConninfoKeyword])[]; // the keys of an object that is written out are those of its type

/** Whether libpq has a keyword. */
export function isConninfoKey(key: string): key is ConninfoKey {
  return Object.hasOwn(conninfoKeywords, key);
}
