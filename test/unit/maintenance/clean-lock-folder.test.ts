import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cleanLockFolder } from '../../../src/maintenance/clean-lock-folder.ts';
import { tryLockFile } from '../../../src/shared/file-lock.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

test('lock files that nobody holds go, held ones and other files stay', async () => {
  await using folder = await createTemporaryFolder('locks');
  for (const name of ['.main-backup.lock', '.main-cron.lock', 'main.lock', '.hidden', 'main-xlog.db']) {
    await writeFile(join(folder.path, name), '1\n');
  }
  await using held = await tryLockFile(join(folder.path, '.main-receive-wal.lock'));
  await cleanLockFolder(folder.path);
  expect((await readdir(folder.path)).toSorted()).toEqual(['.hidden', '.main-receive-wal.lock', 'main-xlog.db', 'main.lock']);
  expect(held).toBeDefined();
  expect(await tryLockFile(join(folder.path, '.main-receive-wal.lock'))).toBeUndefined();
});

test('a folder that was never made is clean', async () => {
  await using folder = await createTemporaryFolder('locks');
  await cleanLockFolder(join(folder.path, 'none'));
  expect(await readdir(folder.path)).toEqual([]);
});
