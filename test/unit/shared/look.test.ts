import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isMissing, namesIn, pathExists, unreadable } from '../../../src/shared/look.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

test('files and folders exist, what was never made does not, nor what lies below a file', async () => {
  await using folder = await createTemporaryFolder('look');
  await writeFile(join(folder.path, 'file'), '');
  expect(await pathExists(folder.path)).toBe(true);
  expect(await pathExists(join(folder.path, 'file'))).toBe(true);
  expect(await pathExists(join(folder.path, 'none'))).toBe(false);
  expect(await pathExists(join(folder.path, 'file', 'below'))).toBe(false);
});

test('a link that leads nowhere does not exist; one that leads in a circle is an error', async () => {
  await using folder = await createTemporaryFolder('look');
  await symlink('nowhere', join(folder.path, 'dangling'));
  await symlink('circle', join(folder.path, 'circle'));
  expect(await pathExists(join(folder.path, 'dangling'))).toBe(false);
  await expect(pathExists(join(folder.path, 'circle'))).rejects.toMatchObject({
    code: 'file-unreadable',
    message: `cannot read ${join(folder.path, 'circle')}: ELOOP`,
  });
});

test('a folder that is missing has no names in it', async () => {
  await using folder = await createTemporaryFolder('look');
  await mkdir(join(folder.path, 'a'));
  await writeFile(join(folder.path, '.b'), '');
  expect((await namesIn(folder.path)).toSorted()).toEqual(['.b', 'a']);
  expect(await namesIn(join(folder.path, 'none'))).toEqual([]);
  expect(await namesIn(join(folder.path, '.b'))).toEqual([]);
});

test('a path that cannot be read is told with the code of the system', () => {
  const cause = Object.assign(new Error('no'), { code: 'EACCES' });
  expect(isMissing(cause)).toBe(false);
  expect(unreadable('/srv/meta', cause)).toMatchObject({
    code: 'file-unreadable',
    message: 'cannot read /srv/meta: EACCES',
    cause,
  });
});
