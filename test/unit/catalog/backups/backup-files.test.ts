import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { backupFilesOf, backupStagings, makeBackupStaging } from '../../../../src/catalog/backups/backup-files.ts';
import { readRecordText } from '../../../../src/catalog/backups/backup-records.ts';
import { aBackup } from '../a-backup.ts';
import { aCatalog } from '../a-catalog.ts';

const { id } = aBackup({ day: 1, begin: '1:0' });

test('says where the parts of a backup lie, there or not', async () => {
  await using catalog = await aCatalog();
  const files = backupFilesOf(catalog.layout, id);
  const folder = join(catalog.layout.base, id);
  expect([files.folder, files.dataFolder, files.tablespaceFolder(16385), files.manifestPath, files.recordCopyPath]).toEqual([
    folder,
    join(folder, 'data'),
    join(folder, '16385'),
    join(folder, 'data', 'backup_manifest'),
    join(folder, 'backup.info'),
  ]);
  expect([await files.exists(), await files.hasManifest(), await files.members()]).toEqual([false, false, []]);
});

test('a folder that a method is given is empty, for its owner only, and made when it is missing', async () => {
  await using catalog = await aCatalog({ [`base/${id}/data/old`]: 'x' });
  const files = backupFilesOf(catalog.layout, id);
  expect(await files.makeEmpty('data')).toBe(files.dataFolder);
  expect(await readdir(await files.makeEmpty('16385'))).toEqual([]);
  expect(await readdir(files.dataFolder)).toEqual([]);
  expect((await stat(files.dataFolder)).mode & 0o777).toBe(0o700);
  await files.sync();
});

test('the content goes without the copy of the record, which tells that the backup was there', async () => {
  await using catalog = await aCatalog({
    [`base/${id}/data/PG_VERSION`]: '18',
    [`base/${id}/16385/file`]: 'x',
    [`base/${id}/backup.info`]: 'status=FAILED\n',
  });
  const files = backupFilesOf(catalog.layout, id);
  await files.removeContent();
  expect(await files.members()).toEqual(['backup.info']);
  expect(await readRecordText(catalog.layout, id)).toBe('status=FAILED\n');
  await files.remove();
  expect(await files.exists()).toBe(false);
  await files.remove();
  expect(await readdir(catalog.layout.base)).toEqual([]);
});

test('a backup that was put together beside the others becomes one of them', async () => {
  await using catalog = await aCatalog();
  const staging = await makeBackupStaging(catalog.layout);
  await mkdir(join(staging, 'backup', 'data'), { recursive: true });
  await writeFile(join(staging, 'backup', 'data', 'backup_manifest'), '{}');
  expect(await backupStagings(catalog.layout)).toEqual([staging]);
  const files = backupFilesOf(catalog.layout, id);
  await files.adopt(join(staging, 'backup'));
  expect(await files.hasManifest()).toBe(true);
  expect(await readdir(staging)).toEqual([]);
});
