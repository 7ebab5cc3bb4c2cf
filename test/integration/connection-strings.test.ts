import { execFile } from 'node:child_process';
import { chmod, copyFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { clientConnection } from '../../src/postgres/client-connection.ts';
import type { Connection } from '../../src/postgres/connect.ts';
import { parseConninfo } from '../../src/postgres/conninfo.ts';
import { conninfoKeywordList, isConninfoKey } from '../../src/postgres/conninfo-keywords.ts';
import { connectForQueries } from '../../src/postgres/server-access.ts';
import { runProgram as runOurs } from '../../src/transport/programs/run-program.ts';
import { requirePostgres } from '../helpers/installations.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { type FakeServer, startFakeServer } from '../helpers/start-fake-server.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { serverUser } from '../machine/server-user.mjs';

let folder: TemporaryFolder;
let cluster: PostgresServer;
let fakes: Record<'clear' | 'startsUp' | 'refuses' | 'silent', FakeServer>;

beforeAll(async () => {
  folder = await createTemporaryFolder('cs');
  await makeCertificates(folder.path);
  cluster = await startCluster({
    major: 18,
    hba: [
      'hostnossl all tls_only 127.0.0.1/32 reject',
      'host all scram_user 127.0.0.1/32 scram-sha-256',
      'hostssl all cert_user 127.0.0.1/32 cert',
      'hostnossl all cert_user 127.0.0.1/32 reject',
    ],
  });
  await cluster.query(
    "CREATE ROLE tls_only LOGIN; CREATE ROLE cert_user LOGIN; CREATE ROLE scram_user LOGIN PASSWORD 'geheim'",
  );
  for (const name of ['server.crt', 'server.key', 'root.crt', 'root.crl']) {
    const path = join(cluster.dataDir, name);
    await copyFile(join(folder.path, name), path);
    await giveToServer(path);
  }
  await cluster.query('ALTER SYSTEM SET ssl = on');
  await cluster.query("ALTER SYSTEM SET ssl_ca_file = 'root.crt'");
  await cluster.query('SELECT pg_reload_conf()');
  fakes = {
    clear: await startFakeServer('asks in clear'),
    startsUp: await startFakeServer('starts up'),
    refuses: await startFakeServer('knows no user'),
    silent: await startFakeServer('says nothing'),
  };
});

afterAll(async () => {
  for (const fake of Object.values(fakes)) await fake[Symbol.asyncDispose]();
  await cluster[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** Environment of a user without any files of libpq. */
const bare = (more: Record<string, string> = {}) => ({ PATH: '/usr/bin:/bin', HOME: join(folder.path, 'none'), ...more });

/** Text with the names of this run filled in. */
const filled = (text: string): string =>
  text
    .replaceAll('PORT', String(cluster.port))
    .replaceAll('CLEAR', String(fakes.clear.port))
    .replaceAll('STARTSUP', String(fakes.startsUp.port))
    .replaceAll('REFUSES', String(fakes.refuses.port))
    .replaceAll('SILENT', String(fakes.silent.port))
    .replaceAll('SOCKETS', cluster.socketDir)
    .replaceAll('DIR', folder.path);

async function ours(text: string, environment: Record<string, string> = bare()): Promise<string> {
  let connection: Connection | undefined;
  try {
    connection = await connectForQueries(text, environment);
    const [row] = await connection.query('SELECT 1 AS one');
    return row?.['one'] === '1' ? 'connected' : 'odd';
  } catch (error) {
    return (error as Error).message;
  } finally {
    await connection?.close();
  }
}

async function psql(major: number, text: string, env: Record<string, string> = bare()): Promise<string> {
  const argv = [join(requirePostgres(major).binDir, 'psql'), '-wXAtq', '-c', 'SELECT 1', '-d', text];
  const { exitCode, stderr } = await runProgram(argv, { env });
  return exitCode === 0 ? 'connected' : stderr;
}

const here = 'host=127.0.0.1 port=PORT user=postgres dbname=postgres';
const noTls = `${here} sslmode=disable`;

/** Strings for `psql` and us, and the release of libpq that knows their keywords. */
const strings: readonly (readonly [text: string, since?: number])[] = [
  [here],
  ["host='127.0.0.1'port=PORT user=postgres dbname=postgres"],
  [String.raw`host=127.0.0.1 port=PORT user=post\gres dbname='postgres'`],
  ['  host = 127.0.0.1   port= PORT user =postgres dbname=postgres  '],
  [`${here} sslmod=verify-full`],
  [`${here} SSLMODE=require`],
  [`${here} sslmode=verify_full`],
  [`${here} sslmode=`],
  [`${here} sslmode=require`],
  [`${here} sslmode=verify-ca`],
  [`${here} sslmode=verify-ca sslrootcert=DIR/root.crt`],
  [`${here} sslmode=verify-ca sslrootcert=DIR/other.crt`],
  [`${here} sslmode=require sslrootcert=DIR/other.crt`],
  [`${here} sslmode=require sslrootcert=DIR/missing.crt`],
  [`${here} sslmode=prefer sslrootcert=DIR/other.crt`],
  [`${here} sslmode=verify-full sslrootcert=DIR/root.crt`],
  ['hostaddr=127.0.0.1 host=db.example port=PORT user=postgres dbname=postgres sslmode=verify-full sslrootcert=DIR/root.crt'],
  [
    'hostaddr=127.0.0.1 host=other.example port=PORT user=postgres dbname=postgres sslmode=verify-full sslrootcert=DIR/root.crt',
  ],
  ['hostaddr=127.0.0.1 port=PORT user=postgres dbname=postgres sslmode=verify-full sslrootcert=DIR/root.crt'],
  ['hostaddr=127.0.0.1 port=PORT user=postgres dbname=postgres sslmode=verify-ca sslrootcert=DIR/root.crt'],
  ['hostaddr=nowhere port=PORT user=postgres dbname=postgres'],
  [`${here} sslmode=verify-ca sslrootcert=DIR/root.crt sslcrl=DIR/root.crl`],
  [`${here} sslmode=verify-ca sslrootcert=DIR/root.crt sslcrl=DIR/revoked.crl`],
  [`${here} sslmode=require ssl_min_protocol_version=TLSv1.3`],
  [`${here} sslmode=require ssl_max_protocol_version=TLSv1.1 ssl_min_protocol_version=TLSv1`],
  [`${here} ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2`],
  [`${here} ssl_min_protocol_version=TLS1`],
  [`${here} sslsni=0 sslmode=require`],
  [`${here} sslcompression=1`],
  [`${here} sslnegotiation=direct`, 17],
  [`${here} sslnegotiation=direct sslmode=require`, 17],
  [`${here} sslrootcert=system sslmode=require`, 16],
  [`${here} sslrootcert=system`, 16],
  [`${here} requiressl=1`],
  [`${noTls} gssencmode=disable`],
  [`${noTls} gssencmode=maybe`],
  [`${noTls} gssencmode=require`, 18],
  [`${noTls} connect_timeout=abc`],
  [`${noTls} connect_timeout=`],
  [`${noTls} connect_timeout=10`],
  [`${noTls} connect_timeout=0`],
  [`${noTls} connect_timeout='10 s'`],
  [`${noTls} keepalives=0 keepalives_idle=5 keepalives_interval=5 keepalives_count=5 tcp_user_timeout=5000`],
  [`${noTls} keepalives_idle=x`],
  [`${noTls} tcp_user_timeout=x`],
  [`${noTls} channel_binding=require`],
  [`${noTls} channel_binding=sometimes`],
  [`${here} user=scram_user password=geheim`],
  [`${here} user=scram_user password=falsch`],
  [`${here} user=scram_user password=geheim channel_binding=require sslmode=require`],
  [`${here} user=scram_user password=geheim channel_binding=require sslmode=disable`],
  [`${here} user=scram_user password=geheim require_auth=scram-sha-256`, 16],
  [`${here} user=scram_user password=geheim require_auth=!scram-sha-256`, 16],
  [`${here} user=scram_user password=geheim require_auth=md5,password`, 16],
  [`${here} require_auth=none`, 16],
  [`${here} require_auth=!none`, 16],
  [`${here} require_auth=md5,!none`, 16],
  [`${here} require_auth=md5,md5`, 16],
  [`${here} require_auth=kerberos`, 16],
  [`${here} require_auth=`, 16],
  [`${here} user=tls_only sslmode=allow`],
  [`${here} user=tls_only sslmode=disable`],
  [`${here} user=cert_user sslmode=require`],
  [`${here} user=cert_user sslmode=require sslcert=DIR/client.crt sslkey=DIR/client.key`],
  [`${here} user=cert_user sslmode=require sslcert=DIR/client.crt sslkey=DIR/open.key`],
  [`${here} user=cert_user sslmode=require sslcert=DIR/client.crt sslkey=DIR/missing.key`],
  [`${here} user=cert_user sslmode=require sslcert=DIR/client.crt sslkey=DIR/sealed.key sslpassword=geheim`],
  [`${here} user=cert_user sslmode=require sslcert=DIR/client.crt sslkey=DIR/sealed.key sslpassword=falsch`],
  [`${here} user=cert_user sslmode=require sslcert=DIR/client.crt sslkey=DIR/client.key sslcertmode=disable`, 16],
  [`${noTls} sslcertmode=maybe`, 16],
  [`${noTls} target_session_attrs=read-write`],
  [`${noTls} target_session_attrs=read-only`],
  [`${noTls} target_session_attrs=primary`],
  [`${noTls} target_session_attrs=standby`],
  [`${noTls} target_session_attrs=prefer-standby`],
  [`${noTls} target_session_attrs=master`],
  [`${noTls} load_balance_hosts=random`, 16],
  [`${noTls} load_balance_hosts=maybe`, 16],
  [`${noTls} max_protocol_version=latest`, 18],
  [`${noTls} max_protocol_version=4`, 18],
  [`${noTls} options='-c geqo=off' application_name=x client_encoding=UTF8`],
  [`${noTls} options='-c nothing_like_that=off'`],
  [`${noTls} krbsrvname=x fallback_application_name=y`],
  ['host=SOCKETS port=PORT user=postgres dbname=postgres sslmode=verify-full'],
  ['host=SOCKETS port=PORT user=postgres dbname=postgres require_auth=none', 16],
  ['host=127.0.0.1 port=1 user=postgres'],
  ['host=127.0.0.1 port=70000 user=postgres'],
  ['host=127.0.0.1 port=abc user=postgres'],
  ['host=127.0.0.1,127.0.0.1 port=1,PORT user=postgres dbname=postgres'],
  ['host=nowhere.invalid,127.0.0.1 port=PORT user=postgres dbname=postgres'],
  ['host=127.0.0.1,127.0.0.1 port=STARTSUP,PORT user=postgres dbname=postgres'],
  ['host=127.0.0.1,127.0.0.1 port=REFUSES,PORT user=postgres dbname=postgres'],
  ['host=127.0.0.1,127.0.0.1 port=SILENT,PORT user=postgres dbname=postgres connect_timeout=2'],
  ['host=127.0.0.1,127.0.0.1 port=1,2,PORT user=postgres dbname=postgres'],
  ['host=127.0.0.1 hostaddr=127.0.0.1,127.0.0.1 port=PORT user=postgres dbname=postgres'],
  ['host=localhost port=PORT user=postgres dbname=postgres'],
  ...['bogus', 'database', 'Database', 'of', 'o', 'FALSE', '2', "''"].map(
    (mode) => [`host=127.0.0.1 port=PORT user=postgres dbname=postgres replication=${mode}`] as const,
  ),
  ['postgresql://postgres@127.0.0.1:PORT/postgres'],
  ['postgres://postgres@127.0.0.1:PORT/postgres?sslmode=disable&'],
  ['postgresql://127.0.0.1:1,127.0.0.1:PORT/postgres?user=postgres&target_session_attrs=any'],
  ['postgresql://scram_user:gehe%69m@127.0.0.1:PORT/postgres'],
  ['postgresql://postgres@127.0.0.1:PORT/postgres?sslmod=require'],
  ['postgresql://postgres@127.0.0.1:PORT/postgres?sslmode'],
  ['postgresql://postgres@127.0.0.1:PORT/postgres?sslmode=require=x'],
  ['postgresql://postgres@127.0.0.1:PORT/post%zzgres'],
  ['postgresql://postgres@127.0.0.1:PORT/postgres?ssl=true'],
  ['postgresql://[::1/postgres'],
  ['postgresql://postgres@127.0.0.1:PORT/post gres', 18],
  ['postgresql:///postgres?host=SOCKETS&port=PORT&user=postgres'],
];

test.each([18, 15])('what psql %i takes we take, and what it refuses we refuse', async (major) => {
  const differing: string[] = [];
  for (const [text, since = 0] of strings) {
    if (since > major) continue;
    const string = filled(text);
    const [theirs, own] = await Promise.all([psql(major, string), ours(string)]);
    if ((theirs === 'connected') !== (own === 'connected')) differing.push(`${text}\n  psql: ${theirs}\n  ours: ${own}`);
  }
  expect(differing).toEqual([]);
});

test('the table has every keyword of libpq 18, and no other', async () => {
  const library = await readFile(join(requirePostgres(18).binDir, '../../../x86_64-linux-gnu/libpq.so.5'), 'latin1');
  const words = new Set(library.match(/(?<=\0)[a-z][a-z_]{3,}(?=\0)/g));
  for (const [key] of conninfoKeywordList) words.add(key);
  const isKnown = async (key: string): Promise<boolean> =>
    !(await psql(18, `host=127.0.0.1 port=1 ${key}=x`)).includes(`invalid connection option "${key}"`);
  const differing: string[] = [];
  await Promise.all(
    [...words].map(async (word) => {
      if ((await isKnown(word)) !== isConninfoKey(word) && word !== 'requiressl') differing.push(word);
    }),
  );
  expect(differing).toEqual([]);
});

test('a setting of libpq that we do not support is refused with its keyword, before a connection is made', async () => {
  for (const wish of [
    'sslcertmode=require',
    'min_protocol_version=3.2',
    'scram_client_key=x',
    'oauth_issuer=x',
    'oauth_client_id=x',
  ]) {
    const began = fakes.clear.logins();
    expect(await ours(filled(`host=127.0.0.1 port=CLEAR ${wish}`))).toContain(wish.split('=')[0]);
    expect(fakes.clear.logins()).toBe(began);
  }
  expect(await ours(filled(`host=SOCKETS port=PORT user=postgres requirepeer=postgres`))).toContain('requirepeer');
});

test.each([
  ['asks in clear', 'require_auth=scram-sha-256'],
  ['asks in clear', 'require_auth=!password'],
  ['asks in clear', 'channel_binding=require'],
  ['asks for md5', 'require_auth=scram-sha-256'],
  ['asks for md5', 'channel_binding=require'],
  ['asks for scram', 'require_auth=md5'],
  ['asks for scram', 'channel_binding=require'],
  ['lets in', 'require_auth=scram-sha-256'],
  ['lets in', 'channel_binding=require'],
  ['asks for gss', ''],
  ['is no PostgreSQL', ''],
] as const)('a server that %s gets nothing with %s', async (answer, wish) => {
  await using server = await startFakeServer(answer);
  const text = `host=127.0.0.1 port=${String(server.port)} user=x password=geheim ${wish}`;
  expect(await ours(text)).toContain(wish === '' ? 'cannot connect' : `${wish} is not met`);
  expect(server.received()).toBe('');
});

test('the same wishes in the environment and in a service count', async () => {
  const text = `host=127.0.0.1 port=${String(fakes.clear.port)} user=x password=geheim`;
  const began = fakes.clear.received();
  expect(await ours(text, bare({ PGREQUIREAUTH: 'md5' }))).toContain('require_auth=md5 is not met');
  const services = join(folder.path, 'services');
  await writeFile(services, '# ours\n[other]\nport=1\n[strict]\nrequire_auth=md5\nport=1\n');
  expect(await ours(`${text} service=strict`, bare({ PGSERVICEFILE: services }))).toContain('require_auth=md5 is not met');
  expect(fakes.clear.received()).toBe(began);
  expect(await ours(`${text} require_auth=password connect_timeout=1`)).toContain('cannot connect');
  expect(fakes.clear.received()).toContain('geheim');
});

test('a service is found as psql finds it', async () => {
  const home = join(folder.path, 'h');
  await promisify(execFile)('mkdir', ['-p', home, join(folder.path, 'etc')]);
  const lines = filled('host=127.0.0.1\nport=PORT\nuser=postgres\ndbname=postgres\n');
  await writeFile(join(home, '.pg_service.conf'), `[mine]\n${lines}[odd]\nsslmod=x\n[nested]\nservice=mine\n`);
  await writeFile(join(folder.path, 'etc/pg_service.conf'), `[theirs]\n  ${lines}[mine]\nport=1\n`);
  const environment = bare({ HOME: home, PGSYSCONFDIR: join(folder.path, 'etc') });
  for (const text of [
    'service=mine',
    'service=theirs',
    'service=mine port=1',
    'service=none',
    'service=odd',
    'service=nested',
  ]) {
    const [theirs, own] = [await psql(18, text, environment), await ours(text, environment)];
    expect.soft(own === 'connected', `${text}: ${own} / ${theirs}`).toBe(theirs === 'connected');
  }
  expect(await ours('service=mine', { ...environment, PGSERVICEFILE: join(folder.path, 'missing') })).toContain('missing');
  expect(await ours('', { ...environment, PGSERVICE: 'theirs' })).toBe('connected');
});

test('the passphrase of a key reaches a client program, and no argument', async () => {
  const text = filled(`${here} user=cert_user sslmode=require sslcert=DIR/client.crt sslkey=DIR/sealed.key sslpassword=geheim`);
  for (const major of [18, 15]) {
    await using client = await clientConnection(parseConninfo(text), 'x');
    const argv = [
      join(requirePostgres(major).clientsDir, 'psql'),
      '-wXAtq',
      '-c',
      'SELECT current_user',
      '-d',
      client.connection,
    ];
    const environment = { ...bare(), ...client.secrets };
    expect(argv.join(' ')).not.toContain('geheim');
    expect(await runOurs(argv, { environment, inherited: client.inherited })).toMatchObject({
      exitCode: 0,
      stdout: 'cert_user\n',
    });
  }
});

test('each host of a list has the line of the password file that is its own', async () => {
  const passfile = join(folder.path, 'pass');
  await writeFile(passfile, `first:*:*:*:wrong\nsecond:*:*:scram_user:geheim\n`, { mode: 0o600 });
  const text = filled(
    `host=first,second hostaddr=127.0.0.1,127.0.0.1 port=1,PORT user=scram_user dbname=postgres passfile=${passfile}`,
  );
  expect(await ours(text)).toBe('connected');
});

async function giveToServer(path: string): Promise<void> {
  const user = serverUser();
  if (user !== undefined) await promisify(execFile)('chown', [`${String(user.uid)}:${String(user.gid)}`, path]);
  await chmod(path, 0o600);
}

/** An authority with a server, a client and lists of what it took back, and another authority. */
async function makeCertificates(path: string): Promise<void> {
  const script = `set -e; cd "$1"; exec >/dev/null 2>&1
for name in root other; do
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name.key -out $name.crt -days 30 -subj "/CN=$name"
done
for name in server client; do
  subject=db.example; [ $name = server ] || subject=cert_user
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $name.key -out $name.csr -subj "/CN=$subject"
  openssl x509 -req -in $name.csr -CA root.crt -CAkey root.key -CAcreateserial -out $name.crt -days 30
done
openssl ec -in client.key -aes256 -passout pass:geheim -out sealed.key
cp client.key open.key; chmod 0600 *.key; chmod 0644 open.key
touch index.txt; echo 01 > crlnumber
printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\ncrlnumber=crlnumber\\ndefault_md=sha256\\ndefault_crl_days=30\\ncertificate=root.crt\\nprivate_key=root.key\\n' > ca.conf
openssl ca -config ca.conf -gencrl -out root.crl
openssl ca -config ca.conf -revoke server.crt
openssl ca -config ca.conf -gencrl -out revoked.crl`;
  await promisify(execFile)('bash', ['-c', script, 'bash', path]);
}
