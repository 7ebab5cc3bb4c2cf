import { link, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { measureBackup } from '../../../../src/catalog/backups/backup-files.ts';
import { createTemporaryFolder } from '../../../helpers/temporary-folder.ts';

test('a backup is as large as its files; what another one shares is counted once', async () => {
  await using folder = await createTemporaryFolder('size');
  await mkdir(join(folder.path, 'data', 'base'), { recursive: true });
  await writeFile(join(folder.path, 'data', 'PG_VERSION'), '15\n');
  await writeFile(join(folder.path, 'data', 'base', 'own'), 'x'.repeat(1000));
  await writeFile(join(folder.path, 'data', 'base', 'shared'), 'x'.repeat(100));
  await link(join(folder.path, 'data', 'base', 'shared'), join(folder.path, 'data', 'base', 'again'));
  await symlink('/etc/passwd', join(folder.path, 'data', 'pg_tblspc'));
  expect(await measureBackup(folder.path)).toEqual({ size: 1203, deduplicatedSize: 1003, links: 1 });
});
