import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { writeBackupRecord } from '../../../src/catalog/backups/backup-records.ts';
import { readKnownCluster, writeIdentityOnce } from '../../../src/catalog/identity.ts';
import { aSegment, systemid } from '../../helpers/wal-segment.ts';
import { aBackup, walOf } from './a-backup.ts';
import { aCatalog } from './a-catalog.ts';

const storing = { programPath: '/usr/bin:/bin', environment: process.env, config: { options: {} } };
const folder = 'wals/0000000100000000';

test('the cluster of a catalog is what identity.json says, else the newest good backup, else the newest WAL', async () => {
  await using catalog = await aCatalog();
  const { layout } = catalog;
  expect(await readKnownCluster({ ...storing, layout })).toBeUndefined();
  await catalog.write({
    [`${folder}/${walOf('1:2')}`]: aSegment(2, { systemid: 1n }),
    [`${folder}/${walOf('1:3')}`]: gzipSync(aSegment(3)),
  });
  expect(await readKnownCluster({ ...storing, layout })).toMatchObject({ systemid: String(systemid) });
  await writeBackupRecord(layout, aBackup({ day: 2, systemid: '22' }));
  await writeBackupRecord(layout, aBackup({ day: 3, systemid: '33', status: 'FAILED' }));
  expect(await readKnownCluster({ ...storing, layout })).toMatchObject({ systemid: '22', source: 'backup 20260102T120000' });
  await catalog.write({ 'identity.json': 'not what it should be' });
  expect(await readKnownCluster({ ...storing, layout })).toMatchObject({ systemid: '22' });
  await catalog.write({ 'identity.json': '{"systemid": "44", "version": "18"}' });
  await writeIdentityOnce(layout, { systemid: '55', version: '18' });
  expect(await readKnownCluster({ ...storing, layout })).toMatchObject({ systemid: '44' });
});

test('WAL that is damaged, or of no cluster, says nothing', async () => {
  await using catalog = await aCatalog({ [`${folder}/${walOf('1:2')}`]: gzipSync(aSegment(2)).subarray(0, 20) });
  expect(await readKnownCluster({ ...storing, layout: catalog.layout })).toBeUndefined();
});
