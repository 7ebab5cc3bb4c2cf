import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatBackupInfo } from '../../../src/catalog/backup-info.ts';
import {
  readBackupRecord,
  readBackupRecords,
  readSoundRecords,
  removeBackupRecord,
  writeBackupRecord,
} from '../../../src/catalog/backup-records.ts';
import { aBackup, idOf } from './a-backup.ts';
import { aCatalog } from './a-catalog.ts';

const record = (day: number, known = {}) => formatBackupInfo(aBackup({ day, ...known }));

test('records are read oldest first, from meta and where older releases left them', async () => {
  await using catalog = await aCatalog({
    [`meta/${idOf(3)}-backup.info`]: record(3),
    [`base/${idOf(2)}/backup.info`]: record(2),
    [`meta/${idOf(1)}-backup.info`]: record(1),
  });
  const { backups, broken } = await readBackupRecords(catalog.layout);
  expect(backups.map(({ id }) => id)).toEqual([idOf(1), idOf(2), idOf(3)]);
  expect(broken).toEqual([]);
});

test('the record in meta wins over the one beside the files', async () => {
  await using catalog = await aCatalog({
    [`meta/${idOf(2)}-backup.info`]: record(2, { status: 'DONE' }),
    [`base/${idOf(2)}/backup.info`]: record(2, { status: 'STARTED' }),
  });
  expect((await readBackupRecords(catalog.layout)).backups.map(({ status }) => status)).toEqual(['DONE']);
  expect(await readBackupRecord(catalog.layout, idOf(2))).toMatchObject({ status: 'DONE' });
});

test('a broken record hides no other', async () => {
  await using catalog = await aCatalog({
    [`meta/${idOf(1)}-backup.info`]: record(1),
    [`meta/${idOf(2)}-backup.info`]: 'status=PERFECT\n',
    [`meta/${idOf(3)}-backup.info`]: record(3),
  });
  const { backups, broken } = await readBackupRecords(catalog.layout);
  expect(backups.map(({ id }) => id)).toEqual([idOf(1), idOf(3)]);
  expect(broken).toMatchObject([{ id: idOf(2), reason: { code: 'backup-info-invalid' } }]);
  await expect(readSoundRecords(catalog.layout)).rejects.toMatchObject({ code: 'backup-info-invalid' });
});

test('a record that may not be read is broken, whoever we are', async () => {
  await using catalog = await aCatalog({ [`meta/${idOf(1)}-backup.info`]: record(1) });
  await mkdir(join(catalog.layout.root, 'meta', `${idOf(2)}-backup.info`)); // a folder: root reads any file
  const { backups, broken } = await readBackupRecords(catalog.layout);
  expect(backups).toHaveLength(1);
  expect(broken).toMatchObject([{ id: idOf(2), reason: { code: 'file-unreadable' } }]);
});

test('files with other names and folders without a record are no backups', async () => {
  await using catalog = await aCatalog({
    'meta/notes-backup.info': 'x',
    [`meta/.${idOf(1)}-backup.info.0a0b0c0d.tmp`]: 'x',
    [`meta/${idOf(1)}-keep`]: 'full',
    [`base/${idOf(4)}/data/PG_VERSION`]: '15\n',
    'base/lost+found/backup.info': 'x',
  });
  expect(await readBackupRecords(catalog.layout)).toEqual({ backups: [], broken: [] });
  expect(await readBackupRecord(catalog.layout, idOf(4))).toBeUndefined();
});

test('a server without folders has no backups', async () => {
  await using catalog = await aCatalog();
  expect(await readBackupRecords(catalog.layout)).toEqual({ backups: [], broken: [] });
});

test('more records than are read at once stay in order', async () => {
  const days = Array.from(
    { length: 80 },
    (_, index) =>
      `2026${String(Math.floor(index / 20) + 1).padStart(2, '0')}${String((index % 20) + 1).padStart(2, '0')}T000000`,
  );
  await using catalog = await aCatalog(Object.fromEntries(days.map((id) => [`meta/${id}-backup.info`, record(1)])));
  expect((await readBackupRecords(catalog.layout)).backups.map(({ id }) => id)).toEqual(days);
});

test('a backup without a folder has its record in meta alone', async () => {
  await using catalog = await aCatalog();
  await writeBackupRecord(catalog.layout, aBackup({ day: 2 }));
  expect(await catalog.files('.')).toEqual([`meta/${idOf(2)}-backup.info`]);
});

test('a backup with a folder has a copy of its record in it', async () => {
  await using catalog = await aCatalog({ [`base/${idOf(2)}/data/PG_VERSION`]: '15\n' });
  await writeBackupRecord(catalog.layout, aBackup({ day: 2, status: 'STARTED' }));
  await writeBackupRecord(catalog.layout, aBackup({ day: 2, status: 'DONE' }));
  const paths = [`meta/${idOf(2)}-backup.info`, `base/${idOf(2)}/backup.info`];
  for (const path of paths) expect(await catalog.read(path)).toBe(record(2));
  expect(await catalog.files('.')).toEqual([`base/${idOf(2)}/backup.info`, `base/${idOf(2)}/data/PG_VERSION`, paths[0]]);
});

test('a removed record is gone in both places, and removing it again is nothing', async () => {
  await using catalog = await aCatalog({ [`base/${idOf(2)}/data/PG_VERSION`]: '15\n' });
  await writeBackupRecord(catalog.layout, aBackup({ day: 2 }));
  await removeBackupRecord(catalog.layout, idOf(2));
  await removeBackupRecord(catalog.layout, idOf(2));
  expect(await readBackupRecords(catalog.layout)).toEqual({ backups: [], broken: [] });
});
