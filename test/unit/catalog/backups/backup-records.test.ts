import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatBackupInfo } from '../../../../src/catalog/backups/backup-info.ts';
import {
  readBackupRecord,
  readBackupRecords,
  readSoundRecords,
  removeBackupRecord,
  writeBackupRecord,
} from '../../../../src/catalog/backups/backup-records.ts';
import { OperatorError } from '../../../../src/shared/operator-error.ts';
import { runProgram } from '../../../helpers/run-program.ts';
import { aBackup, idOf } from '../a-backup.ts';
import { aCatalog } from '../a-catalog.ts';

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

test.each<{ what: string; make: (path: string) => Promise<unknown>; reason: string }>([
  {
    what: 'with brackets in brackets without end',
    make: async (path) => writeFile(path, `copy_stats={'a': ${'['.repeat(100_000)}}\n`),
    reason: 'copy_stats cannot be read',
  },
  {
    what: 'that fills a disk',
    make: async (path) => {
      await writeFile(path, 'status=DONE\n');
      await truncate(path, 2 ** 33);
    },
    reason: 'is not a backup record: it has 8589934592 bytes',
  },
  { what: 'that is a pipe', make: async (path) => runProgram(['mkfifo', path]), reason: 'it is not a file' },
  { what: 'that is a link to itself', make: async (path) => symlink(path, path), reason: 'ELOOP' },
  {
    what: 'of bytes',
    make: async (path) => writeFile(path, Buffer.of(0xff, 0xfe, 0, 1)),
    reason: 'a line of a backup record must be "key=value"',
  },
])('a record $what hides no other, few or many', async ({ make, reason }) => {
  for (const others of [1, 70]) {
    await using catalog = await aCatalog();
    for (let number = 0; number < others; number++) {
      await catalog.write({ [`meta/20260101T12${String(1000 + number)}-backup.info`]: record(1) });
    }
    await make(join(catalog.layout.root, 'meta', `${idOf(2)}-backup.info`));
    for (const round of ['first', 'second']) {
      const { backups, broken } = await readBackupRecords(catalog.layout);
      expect([round, backups.length, broken.length]).toEqual([round, others, 1]);
      expect(broken[0]?.reason.message).toContain(reason);
    }
    await expect(readBackupRecord(catalog.layout, idOf(2))).rejects.toBeInstanceOf(OperatorError);
  }
});

test.each([
  ['end_wal', 'FFFFFFFFFFFFFFFFFFFFFFFF'],
  ['end_wal', '000000010000FFFF000000FF'],
  ['begin_wal', '0000000100000000FFFFFFFF'],
  ['timeline', '99999999999'],
  ['timeline', '-1'],
  ['size', '-5'],
  ['xlog_segment_size', '0'],
  ['xlog_segment_size', '-16777216'],
  ['xlog_segment_size', '3000000'],
])('a record with %s=%s is broken, and told immediately', async (key, value) => {
  const text = record(2).replace(new RegExp(`^${key}=.*$`, 'm'), `${key}=${value}`);
  await using catalog = await aCatalog({ [`meta/${idOf(2)}-backup.info`]: text, [`meta/${idOf(3)}-backup.info`]: record(3) });
  const { backups, broken } = await readBackupRecords(catalog.layout);
  expect(backups.map(({ id }) => id)).toEqual([idOf(3)]);
  const message = `${join(catalog.layout.root, 'meta', `${idOf(2)}-backup.info`)}: no backup can have ${key}=${value}`;
  expect(broken).toMatchObject([{ id: idOf(2), reason: { code: 'backup-info-invalid', message } }]);
  await expect(readBackupRecord(catalog.layout, idOf(2))).rejects.toThrow(message);
});

test('a record whose text is not UTF-8 is read', async () => {
  await using catalog = await aCatalog();
  const text = Buffer.concat([Buffer.from(`${record(2, { status: 'FAILED' })}error=caf`), Buffer.of(0xe9), Buffer.from('\n')]);
  await catalog.write({ [`meta/${idOf(2)}-backup.info`]: text });
  expect((await readBackupRecords(catalog.layout)).backups).toMatchObject([{ status: 'FAILED', error: 'caf\ufffd' }]);
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

test('more records than are read concurrently stay in order', async () => {
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
