import { readFile, readlink } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clientConnection } from '../../../src/postgres/client-connection.ts';
import { clientConninfo, formatConninfo, parseConninfo, withoutPassword } from '../../../src/postgres/conninfo.ts';

const read = (text: string) => Object.fromEntries(parseConninfo(text));

test.each([
  ['host=pg user=barman', { host: 'pg', user: 'barman' }],
  ["  host = pg   user='two words'\n", { host: 'pg', user: 'two words' }],
  [String.raw`password='it\'s \\ here'`, { password: String.raw`it's \ here` }],
  [String.raw`password=a\ b\'c`, { password: "a b'c" }],
  ["password='' host=", { password: '', host: '' }],
  ["options='-c geqo=off -csearch_path='", { options: '-c geqo=off -csearch_path=' }],
  ['host=a host=b', { host: 'b' }],
  ['', {}],
])('%j is read', (text, parameters) => {
  expect(read(text)).toEqual(parameters);
});

test.each([
  [
    'postgresql://barman@pg:5433/postgres?sslmode=require&connect_timeout=10',
    { user: 'barman', host: 'pg', port: '5433', dbname: 'postgres', sslmode: 'require', connect_timeout: '10' },
  ],
  ['postgres://pg', { host: 'pg' }],
  ['postgresql://u:p%40ss%3Aword@pg/', { user: 'u', password: 'p@ss:word', host: 'pg' }],
  ['postgresql://%2Fvar%2Frun%2Fpostgresql/db', { host: '/var/run/postgresql', dbname: 'db' }],
  ['postgresql://[::1]:5432/db', { host: '::1', port: '5432', dbname: 'db' }],
  ['postgresql://a:1,b:2/db', { host: 'a,b', port: '1,2', dbname: 'db' }],
  ['postgresql://a,b/db', { host: 'a,b', dbname: 'db' }],
  ['postgresql:///db?host=pg&user=me', { dbname: 'db', host: 'pg', user: 'me' }],
  ['postgresql://pg?ssl=true', { host: 'pg', sslmode: 'require' }],
  ['postgresql://pg/db?options=-c%20geqo%3Doff', { host: 'pg', dbname: 'db', options: '-c geqo=off' }],
])('the URI %s is read', (text, parameters) => {
  expect(read(text)).toEqual(parameters);
});

test.each([
  "password='geheim",
  'host=pg geheim',
  'password=geheim =x',
  'postgresql://u:geheim%ZZ@pg/db',
  'postgresql://u:geheim@pg/a b',
  '=geheim',
])('%s cannot be read, and no secret stands in the message', (text) => {
  expect(() => parseConninfo(text)).toThrow(
    expect.objectContaining({
      code: 'configuration-invalid',
      message: 'a connection string cannot be read',
      hint: expect.not.stringContaining('geheim') as string,
    }),
  );
});

test.each([
  [{ host: 'pg', port: '5432' }, 'host=pg port=5432'],
  [{ password: "it's \\" }, String.raw`password='it\'s \\'`],
  [{ user: 'two words', host: '' }, "user='two words' host=''"],
])('%j is written as %s', (parameters, text) => {
  expect(formatConninfo(new Map(Object.entries(parameters)))).toBe(text);
});

test('a written connection string reads back', () => {
  const keys = fc.constantFrom('host', 'user', 'password', 'options', 'application_name', 'target_session_attrs');
  const values = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom("'", '\\', ' ', '=', '\t', '\n', 'a') }));
  fc.assert(
    fc.property(fc.array(fc.tuple(keys, values)), (pairs) => {
      const conninfo = new Map(pairs);
      expect(parseConninfo(formatConninfo(conninfo))).toEqual(conninfo);
    }),
  );
});

test('the password is taken out', () => {
  const { conninfo, password } = withoutPassword(parseConninfo('host=pg password=geheim user=x'));
  expect(formatConninfo(conninfo)).toBe('host=pg user=x');
  expect(password).toBe('geheim');
  expect(withoutPassword(new Map()).password).toBeUndefined();
});

test('client programs connect under a name, with a safe search path and without replication of their own', () => {
  const conninfo = clientConninfo(parseConninfo('host=pg replication=true'), 'barman_receive_wal');
  expect(formatConninfo(conninfo)).toBe(
    'host=pg dbname=replication application_name=barman_receive_wal options=-csearch_path=',
  );
});

test('the configured name, database and options stay', () => {
  const text = 'application_name=own options=-cwork_mem=1 dbname=db';
  expect(Object.fromEntries(clientConninfo(parseConninfo(text), 'x'))).toEqual(read(text));
});

test('a client program gets its password in the environment', async () => {
  const keepalives = 'keepalives_idle=30 keepalives_interval=10 keepalives_count=3';
  expect(await clientConnection(parseConninfo('host=pg password=geheim'), 'x')).toMatchObject({
    connection: `${keepalives} host=pg dbname=replication application_name=x options=-csearch_path=`,
    secrets: { PGPASSWORD: 'geheim' },
    inherited: undefined,
  });
  expect((await clientConnection(parseConninfo('host=pg'), 'x')).secrets).toEqual({});
});

test('a passphrase goes through a file that no folder lists', async () => {
  await using client = await clientConnection(parseConninfo('host=pg sslpassword=geheim password=auch'), 'x');
  expect(client.connection).not.toMatch(/geheim|auch/);
  expect(client.secrets).toEqual({ PGPASSWORD: 'auch', PGSERVICEFILE: '/proc/self/fd/3' });
  expect(await readFile(`/proc/self/fd/${String(client.inherited)}`, 'utf8')).toBe('[pgcellar]\nsslpassword=geheim\n');
  expect(await readlink(`/proc/self/fd/${String(client.inherited)}`)).toContain('(deleted)');
  await expect(clientConnection(parseConninfo("sslpassword='two\nlines'"), 'x')).rejects.toThrow(/sslpassword/);
});
