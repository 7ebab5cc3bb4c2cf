import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { passwordFile, readParameters } from '../../../src/postgres/connection-parameters.ts';
import { findPassword, readPassword } from '../../../src/postgres/password-file.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

const key = { host: 'db1', port: '5432', database: 'postgres', user: 'barman' };

test.each([
  { title: 'a line for that connection', text: 'db1:5432:postgres:barman:secret', password: 'secret' },
  { title: 'the first line that fits', text: 'db2:*:*:*:other\ndb1:*:*:*:first\n*:*:*:*:second\n', password: 'first' },
  { title: 'stars for everything', text: '*:*:*:*:secret\n', password: 'secret' },
  { title: 'a file with the line ends of another system', text: '*:*:*:*:secret\r\n', password: 'secret' },
  { title: 'a password with colons and a backslash', text: String.raw`*:*:*:*:a\:b:c\\d`, password: String.raw`a:b:c\d` },
  { title: 'no line for another user', text: '*:*:*:postgres:secret', password: undefined },
  { title: 'no line for another database', text: '*:*:replication:barman:secret', password: undefined },
  { title: 'no comment', text: '#db1:5432:postgres:barman:secret', password: undefined },
  { title: 'no line with too few fields', text: 'db1:5432:barman:secret', password: undefined },
])('$title is taken', ({ text, password }) => {
  expect(findPassword(text, key)).toBe(password);
});

test('a socket in its usual folder is localhost', () => {
  expect(findPassword('localhost:*:*:*:secret', { ...key, host: '/var/run/postgresql' })).toBe('secret');
  expect(findPassword('/srv/s:*:*:*:secret', { ...key, host: '/srv/s' })).toBe('secret');
});

test('any names and password that are written with backslashes are found', () => {
  const escape = (field: string): string => field.replaceAll(/[:\\]/g, String.raw`\$&`);
  const field = fc.string({ minLength: 1 }).filter((text) => !/[\r\n]/.test(text) && text !== '*');
  fc.assert(
    fc.property(fc.tuple(field, field, field, field, field), ([host, port, database, user, password]) => {
      fc.pre(!host.startsWith('#'));
      const line = [host, port, database, user, password].map(escape).join(':');
      expect(findPassword(line, { host, port, database, user })).toBe(password);
    }),
  );
});

test.each([
  { title: 'the parameter passfile', conninfo: [['passfile', 'own']], environment: { PGPASSFILE: 'other' } },
  { title: 'PGPASSFILE', conninfo: [], environment: { PGPASSFILE: 'own' } },
  { title: 'the home folder', conninfo: [], environment: { HOME: '' } },
] as const)('the file is found by $title', async ({ conninfo, environment }) => {
  await using folder = await createTemporaryFolder('pw');
  await writeFile(join(folder.path, 'own'), '*:*:*:*:secret', { mode: 0o600 });
  await writeFile(join(folder.path, '.pgpass'), '*:*:*:*:secret', { mode: 0o600 });
  const below = (name: string): string => join(folder.path, name);
  const parameters = new Map(conninfo.map(([name, value]) => [name, below(value)]));
  const variables = Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, below(value)]));
  expect(await readPassword(key, passwordFile(readParameters(parameters, variables)))).toBe('secret');
});

test('a missing line is told as it has to be written', async () => {
  await using folder = await createTemporaryFolder('pw');
  const failure = readPassword(key, join(folder.path, '.pgpass'));
  await expect(failure).rejects.toMatchObject({
    message: `it asks for a password, and ${folder.path}/.pgpass has none for it`,
    hint: `add the line db1:5432:*:barman:PASSWORD to ${folder.path}/.pgpass, mode 0600`,
  });
});

test('a file that others may read does not count, and says so', async () => {
  await using folder = await createTemporaryFolder('pw');
  const path = join(folder.path, '.pgpass');
  await writeFile(path, '*:*:*:*:secret');
  await chmod(path, 0o640);
  await expect(readPassword(key, join(folder.path, '.pgpass'))).rejects.toMatchObject({ hint: `chmod 0600 ${path}` });
});
