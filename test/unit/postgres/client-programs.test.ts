import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findClientProgram, isCompatible, requireClientProgram } from '../../../src/postgres/client-programs.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';
import { environment, writeScript } from '../transport/scripts.ts';

/** Stand-ins that answer `--version`, one folder for each, in the order of the path. */
async function withPrograms(...answers: readonly string[]) {
  const folder = await createTemporaryFolder('clients');
  const folders: string[] = [];
  for (const [index, answer] of answers.entries()) {
    const path = join(folder.path, String(index));
    await writeScript(path, 'pg_basebackup', answer.startsWith('exit') ? answer : `[ "$1" = --version ] && echo '${answer}'`);
    folders.push(path);
  }
  return {
    at: (index: number) => join(folder.path, String(index), 'pg_basebackup'),
    where: { path: folders.join(':'), environment },
    [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose](),
  };
}

test.each([
  ['pg_basebackup (PostgreSQL) 15.18 (Debian 15.18-1.pgdg120+1)', 150_018, '15.18'],
  ['pg_basebackup (PostgreSQL) 18beta1', 180_000, '18beta1'],
  ['pg_basebackup (PostgreSQL) 19devel', 190_000, '19devel'],
  ['pg_basebackup (EnterpriseDB) 17.2.0', 170_002, '17.2.0'],
])('%s is version %d', async (answer, version, versionText) => {
  await using programs = await withPrograms(answer);
  const found = await findClientProgram('pg_basebackup', { ...programs.where, serverVersion: 0 });
  expect(found).toEqual({ path: programs.at(0), version, versionText });
});

test('the first program of the path that is new enough serves', async () => {
  await using programs = await withPrograms('x (PostgreSQL) 14.1', 'x (PostgreSQL) 17.1', 'x (PostgreSQL) 15.1');
  const find = async (serverVersion: number) => await findClientProgram('pg_basebackup', { ...programs.where, serverVersion });
  expect(await find(140_009)).toMatchObject({ path: programs.at(0) });
  expect(await find(150_009)).toMatchObject({ path: programs.at(1) });
});

test('a program that does not run, or prints no version, is passed over', async () => {
  await using programs = await withPrograms('exit 1', 'something else', 'x (PostgreSQL) 15.1');
  const found = await findClientProgram('pg_basebackup', { ...programs.where, serverVersion: 150_001 });
  expect(found?.path).toBe(programs.at(2));
});

test('a program that is too old is told with both versions', async () => {
  await using programs = await withPrograms('x (PostgreSQL) 14.1');
  await expect(requireClientProgram('pg_basebackup', { ...programs.where, serverVersion: 990_000 })).rejects.toMatchObject({
    code: 'program-missing',
    message: `the program pg_basebackup was not found; it is needed for PostgreSQL 99 (${programs.at(0)} is version 14.1)`,
  });
});

test.each([
  [150_002, 150_018, true],
  [170_000, 150_018, true],
  [150_018, 160_000, false],
  [150_000, 0, true],
])('a client of version %d serves a server of version %d: %s', (version, server, serves) => {
  expect(isCompatible({ path: '', version, versionText: '' }, server)).toBe(serves);
});
