import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { connectionStringReference } from '../../../docs/generate-connection-strings.ts';
import { authRequirementOf, authRequirementProblem, refusalOf } from '../../../src/postgres/auth-requirement.ts';
import { readParameters } from '../../../src/postgres/connection-parameters.ts';
import { parseConninfo } from '../../../src/postgres/conninfo.ts';

const read = (text: string, environment: Record<string, string> = {}) => readParameters(parseConninfo(text), environment);

test('docs/connection-strings.md is what the table says: npm run docs', async () => {
  expect(await readFile(new URL('../../../docs/connection-strings.md', import.meta.url), 'utf8')).toBe(
    connectionStringReference(),
  );
});

test.each([
  ['sslmod=verify-full', 'libpq has no keyword "sslmod"'],
  ['HOST=a', 'libpq has no keyword "HOST"'],
  ['sslmode=Require', 'sslmode=Require is refused'],
  ['connect_timeout=abc', 'connect_timeout=abc is refused'],
  ['connect_timeout=', 'connect_timeout= is refused'],
  ['gssencmode=require', 'gssencmode=require is refused'],
  ['sslcertmode=require', 'sslcertmode=require is refused'],
  ['min_protocol_version=3.2', 'min_protocol_version=3.2 is refused'],
  ['requirepeer=postgres', 'requirepeer for a socket is refused'],
  ['sslnegotiation=direct', 'sslmode=prefer with sslnegotiation=direct is refused'],
  ['sslrootcert=system sslmode=require', 'sslmode=require with sslrootcert=system is refused'],
  ['host=a,b port=1,2,3', 'there are 3 ports for 2 hosts'],
  ['host=a hostaddr=10.0.0.1,10.0.0.2', 'host has 1 entries and hostaddr has 2'],
  ['port=0', 'port=0 is refused'],
  ['require_auth=md5,!none', 'require_auth=md5,!none is refused'],
])('%s is refused with the keyword', (text, message) => {
  expect(() => read(text)).toThrow(
    expect.objectContaining({ code: 'configuration-invalid', message: expect.stringContaining(message) as string }),
  );
});

test.each(['scram_client_key', 'scram_server_key', 'oauth_client_secret'])('the secret in %s is not repeated', (key) => {
  expect(() => read(`${key}=geheim`)).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('geheim') as string }),
  );
});

test('a wish in the environment that cannot be had is refused with the name of its variable', () => {
  expect(() => read('host=a', { PGGSSENCMODE: 'require' })).toThrow(
    expect.objectContaining({ hint: expect.stringContaining('PGGSSENCMODE') as string }),
  );
  expect(read('host=a gssencmode=disable', { PGGSSENCMODE: 'require' }).get('gssencmode')).toBe('disable');
});

test.each([
  ['', {}, [{ host: '/var/run/postgresql', hostaddr: '', port: 5432 }]],
  ['host=a,,c port=1,,3', {}, ['a 1', '/var/run/postgresql 5432', 'c 3']],
  ['host=a,b port=7', {}, ['a 7', 'b 7']],
  [
    'hostaddr=10.0.0.1,10.0.0.2',
    {},
    [
      { host: '', hostaddr: '10.0.0.1', port: 5432 },
      { host: '', hostaddr: '10.0.0.2', port: 5432 },
    ],
  ],
  ['port=6', { PGHOST: 'x,y' }, ['x 6', 'y 6']],
])('the hosts of "%s"', (text, environment, hosts) => {
  const wanted = hosts.map((host) => {
    if (typeof host !== 'string') return host;
    const [name = '', port] = host.split(' ');
    return { host: name, hostaddr: '', port: Number(port) };
  });
  expect(read(text, environment).hosts).toEqual(wanted);
});

test('sslrootcert=system asks for verify-full, and PGREQUIRESSL for TLS', () => {
  expect(read('host=a sslrootcert=system').sslMode).toBe('verify-full');
  expect(read('host=a', { PGREQUIRESSL: '1' }).sslMode).toBe('require');
  expect(read('host=a', { PGREQUIRESSL: '1', PGSSLMODE: 'allow' }).sslMode).toBe('allow');
});

test.each([
  ['', 'none'],
  ['scram-sha-256', 'none'],
  ['!none', 'none'],
  ['!password', 'password'],
  ['none,md5', 'scram-sha-256'],
])('require_auth=%s is a set of methods', (text, method) => {
  expect(authRequirementProblem(text)).toBeUndefined();
  expect(authRequirementOf(text, 'prefer').allowed.has(method as 'none')).toBe(text === '');
});

test.each([
  ['scram-sha-256', { kind: 'password' }],
  ['!md5', { kind: 'md5' }],
  ['password', { kind: 'sasl', mechanisms: ['SCRAM-SHA-256'], isEncrypted: false }],
  ['scram-sha-256', { kind: 'ok', isChannelBound: false, hasScramEnded: false, asked: [] }],
  ['!none', { kind: 'ok', isChannelBound: false, hasScramEnded: false, asked: ['sasl'] }],
] as const)('require_auth=%s refuses %j', (text, request) => {
  expect(refusalOf(request, authRequirementOf(text, 'prefer'))?.message).toContain(`require_auth=${text} is not met`);
  expect(refusalOf(request, authRequirementOf('', 'prefer'))).toBeUndefined();
});

test.each([
  { kind: 'md5' },
  { kind: 'sasl', mechanisms: ['SCRAM-SHA-256', 'SCRAM-SHA-256-PLUS'], isEncrypted: false },
  { kind: 'sasl', mechanisms: ['SCRAM-SHA-256'], isEncrypted: true },
  { kind: 'ok', isChannelBound: false, hasScramEnded: true, asked: ['sasl'] },
  { kind: 'ok', isChannelBound: true, hasScramEnded: false, asked: ['sasl'] },
] as const)('channel_binding=require refuses %j', (request) => {
  expect(refusalOf(request, authRequirementOf('', 'require'))?.message).toContain('channel_binding=require is not met');
});
