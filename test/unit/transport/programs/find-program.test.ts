import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findProgram, findPrograms, foldersMatching, requireProgram } from '../../../../src/transport/programs/find-program.ts';
import { createTemporaryFolder } from '../../../helpers/temporary-folder.ts';
import { writeScript } from '../scripts.ts';

test('the first executable file of the list is found, in its order', async () => {
  await using folder = await createTemporaryFolder('find');
  const [a, b] = [join(folder.path, 'a'), join(folder.path, 'b')];
  await writeScript(a, 'tool', '');
  await writeScript(b, 'tool', '');
  expect(await findProgram('tool', `${b}:${a}`)).toBe(join(b, 'tool'));
  expect(await findPrograms('tool', `${a}::${b}:${a}:${folder.path}/none`)).toEqual([join(a, 'tool'), join(b, 'tool')]);
});

test('folders, files that may not run and links that lead nowhere are no programs', async () => {
  await using folder = await createTemporaryFolder('find');
  await mkdir(join(folder.path, 'folder'));
  await writeFile(join(folder.path, 'text'), '', { mode: 0o644 });
  await symlink('nowhere', join(folder.path, 'dangling'));
  await symlink('circle', join(folder.path, 'circle'));
  for (const name of ['folder', 'text', 'dangling', 'circle']) expect(await findProgram(name, folder.path)).toBeUndefined();
  expect(await findProgram('tool', join(folder.path, 'text'))).toBeUndefined();
});

test('a missing program is told with what needs it and how to get it', async () => {
  await expect(requireProgram('zstd', '/nowhere', 'WAL compressed with zstd')).rejects.toMatchObject({
    code: 'program-missing',
    message: 'the program zstd was not found; it is needed for WAL compressed with zstd',
    hint: 'install the package zstd, or set path_prefix to its folder',
  });
  await expect(requireProgram('own-tool', '/nowhere', 'x')).rejects.toMatchObject({
    hint: 'set path_prefix to the folder it lies in',
  });
});

test('folders are found by the shape of their name', async () => {
  await using folder = await createTemporaryFolder('find');
  for (const name of ['15', '9.6', '18', 'lib']) await mkdir(join(folder.path, name));
  expect((await foldersMatching(folder.path, /^\d+$/, 'bin')).toSorted()).toEqual([
    join(folder.path, '15', 'bin'),
    join(folder.path, '18', 'bin'),
  ]);
  expect(await foldersMatching(join(folder.path, 'none'), /./, 'bin')).toEqual([]);
});
