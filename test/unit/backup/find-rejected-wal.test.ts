import { expect, test } from 'vitest';
import { findRejectedWal } from '../../../src/backup/judge-wals.ts';
import { timestampFromEpoch } from '../../../src/shared/timestamp.ts';
import { aSegment, systemid } from '../../helpers/wal-segment.ts';
import { aBackup, walOf } from '../catalog/a-backup.ts';
import { aCatalog } from '../catalog/a-catalog.ts';

const storage = { path: '/usr/bin:/bin', environment: process.env, passphrase: undefined };
const beginTime = timestampFromEpoch(Date.parse('2026-01-02T03:00:00Z') / 1000);
const backup = aBackup({ begin: '1:2', end: '1:4', systemid: String(systemid), beginTime, status: 'WAITING_FOR_WALS' });
const [own, other] = [aSegment(3), aSegment(3, { systemid: systemid + 1n })];
const archived = (content: Buffer) => ({ [`wals/0000000100000000/${walOf('1:2')}`]: content });
const rejected = (end: string, content: Buffer, short = '1:3') => ({ [`errors/${walOf(short)}.${end}`]: content });

test.each([
  {
    title: 'a segment of its own cluster that was kept out',
    files: rejected('20260102T030405Z.duplicate', own),
    says: walOf('1:3'),
  },
  { title: 'one of two of a name', files: rejected('20260102T030405Z.1.foreign', own), says: 'kept out' },
  { title: 'a first segment of another cluster', files: archived(aSegment(2, { systemid: 1n })), says: 'another cluster (1)' },
])('a backup fails for $title', async ({ files, says }) => {
  await using catalog = await aCatalog(files);
  expect(await findRejectedWal(catalog.layout, backup, storage)).toContain(says);
});

test.each([
  { title: 'WAL of another cluster', files: rejected('20260102T030405Z.foreign', other) },
  { title: 'a part of a segment', files: rejected('20260102T030405Z.duplicate', own.subarray(0, 8192)) },
  { title: 'WAL that was kept out long before', files: rejected('20251231T030405Z.duplicate', own) },
  { title: 'WAL that it does not need', files: rejected('20260102T030405Z.duplicate', aSegment(5), '1:5') },
  { title: 'a first segment of its own cluster', files: archived(aSegment(2)) },
])('no backup fails for $title', async ({ files }) => {
  await using catalog = await aCatalog(files);
  expect(await findRejectedWal(catalog.layout, backup, storage)).toBeUndefined();
});
