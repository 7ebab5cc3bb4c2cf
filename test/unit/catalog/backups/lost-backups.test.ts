import { expect, test } from 'vitest';
import { isOrphan } from '../../../../src/catalog/backups/backup-files.ts';
import { aBackup, idOf } from '../a-backup.ts';
import { aCatalog } from '../a-catalog.ts';

test.each([
  { title: 'a record without a folder has lost its files', files: {}, status: 'DONE' as const, orphan: true },
  {
    title: 'so has one whose folder holds the record alone',
    files: { 'backup.info': '' },
    status: 'DONE' as const,
    orphan: true,
  },
  {
    title: 'one with data has not',
    files: { 'backup.info': '', 'data/PG_VERSION': '' },
    status: 'DONE' as const,
    orphan: false,
  },
  { title: 'an empty backup never had any', files: {}, status: 'EMPTY' as const, orphan: false },
])('$title', async ({ files, status, orphan }) => {
  await using catalog = await aCatalog(
    Object.fromEntries(Object.entries(files).map(([name, text]) => [`base/${idOf(2)}/${name}`, text])),
  );
  expect(await isOrphan(catalog.layout, aBackup({ day: 2, status }))).toBe(orphan);
});
