import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Backup } from '../../../../src/catalog/backups/backup.ts';
import { backupFilesOf } from '../../../../src/catalog/backups/backup-files.ts';
import { readBackupRecords } from '../../../../src/catalog/backups/backup-records.ts';
import { backupLockPath, metaFolder } from '../../../../src/catalog/server-layout.ts';
import type { Server } from '../../../../src/config/server.ts';
import { applyRetention } from '../../../../src/operations/deletion/apply-retention.ts';
import { tryLockFile } from '../../../../src/shared/file-lock.ts';
import { aBackup, idOf } from '../../catalog/a-backup.ts';
import { lonelyServer, quietContext, storeBackups } from '../../check/check-setup.ts';

/** A full backup on day 1, two that are built on it in a row, and a newer full one. */
const family = [
  aBackup({ day: 1, begin: '1:1', childrenBackupIds: [idOf(2)] }),
  aBackup({ day: 2, begin: '1:2', parentBackupId: idOf(1), childrenBackupIds: [idOf(3)] }),
  aBackup({ day: 3, begin: '1:3', parentBackupId: idOf(2) }),
  aBackup({ day: 4, begin: '1:4' }),
];

async function store(server: Server, backups: readonly Backup[]): Promise<void> {
  for (const { id } of backups) await mkdir(backupFilesOf(server.layout, id).dataFolder, { recursive: true });
  await storeBackups(server, backups);
}

function aListener() {
  const told: string[] = [];
  const context = quietContext();
  const keep = (text: string) => void told.push(text);
  return { told, context: { ...context, messages: { ...context.messages, info: keep, warning: keep } } };
}

async function left(server: Server): Promise<number[]> {
  return (await readBackupRecords(server.layout)).backups.map(({ id }) => Number(id.slice(6, 8)));
}

test('a tree that is obsolete goes, children first', async () => {
  await using home = await lonelyServer('retention_policy = REDUNDANCY 1');
  await store(home.server, family);
  const { told, context } = aListener();
  await applyRetention(home.server, context);
  expect(await left(home.server)).toEqual([4]);
  expect(told.filter((line) => line.startsWith('Deleting'))).toEqual(
    [3, 2, 1].map((day) => `Deleting backup ${idOf(day)} for server main`),
  );
});

test('a backup that another command works on stays, with all that it is built on', async () => {
  await using home = await lonelyServer('retention_policy = REDUNDANCY 1');
  await store(home.server, family);
  await using busy = await tryLockFile(backupLockPath(home.server.layout, idOf(2)));
  expect(busy).toBeDefined();
  const { told, context } = aListener();
  await applyRetention(home.server, context);
  expect(await left(home.server)).toEqual([1, 2, 4]);
  expect(told).toContain(`another process works on backup ${idOf(2)} of server main: it is left for the next run`);
});

test('a backup that is kept while retention runs stays', async () => {
  const script = `[ $BARMAN_BACKUP_ID != ${idOf(1)} ] || printf full > FOLDER/home/main/meta/${idOf(2)}-keep`;
  await using home = await lonelyServer(`retention_policy = REDUNDANCY 1\npre_delete_script = ${script}`);
  await store(
    home.server,
    [1, 2, 3].map((day) => aBackup({ day, begin: `1:${String(day)}` })),
  );
  await applyRetention(home.server, quietContext());
  expect(await left(home.server)).toEqual([2, 3]);
});

test('a root whose deletion Barman began takes its children with it', async () => {
  await using home = await lonelyServer('');
  await store(home.server, family);
  await writeFile(join(metaFolder(home.server.layout), `${idOf(1)}-delete_this`), 'delete');
  await applyRetention(home.server, quietContext());
  expect(await left(home.server)).toEqual([4]);
  expect(existsSync(backupFilesOf(home.server.layout, idOf(3)).folder)).toBe(false);
});

test('the last good full backup stays, whatever the policy says and whatever newer record has lost its files', async () => {
  await using home = await lonelyServer('retention_policy = REDUNDANCY 1');
  await store(
    home.server,
    [1, 2].map((day) => aBackup({ day, begin: `1:${String(day)}` })),
  );
  await storeBackups(home.server, [aBackup({ day: 3, begin: '1:3' })]);
  await applyRetention(home.server, quietContext());
  expect(await left(home.server)).toEqual([2, 3]);
});

test('without a policy nothing goes', async () => {
  await using home = await lonelyServer('');
  await store(home.server, family);
  await applyRetention(home.server, quietContext());
  expect(await left(home.server)).toEqual([1, 2, 3, 4]);
});
