import { expect, test } from 'vitest';
import { recordFields } from '../../../src/catalog/backups/backup-info.ts';
import { recordJson } from '../../../src/output/render-backup-record.ts';
import { snakeCase } from '../../../src/shared/python-literal.ts';
import { backupOf, dictOf, idOf } from './samples.ts';

const backup = backupOf({
  backupName: 'weekly',
  childrenBackupIds: [idOf('20260123T222533'), idOf('20260124T222533')],
  tablespaces: [{ name: 'tbs1', oid: 16384, location: '/srv/ts1' }],
  snapshotsInfo: dictOf("{'provider': 'gcp', 'snapshots': [('a', 1.0)]}"),
});

test('every field of the record is there under its key, in order, and the id after them', () => {
  const keys = [...recordFields().map(([, field]) => snakeCase(field)), 'backup_id'];
  expect(Object.keys(recordJson(backup, 'backup'))).toEqual(keys);
});

test('a name and snapshots that are not there are left out, other nulls are not', () => {
  const json = recordJson(backupOf({ tablespaces: null }), 'backup');
  expect(json).not.toHaveProperty('backup_name');
  expect(json).not.toHaveProperty('snapshots_info');
  expect(json).toMatchObject({ tablespaces: null, children_backup_ids: null, error: null });
});

test('the label is quoted text, children are one word, lists stay lists', () => {
  expect(recordJson(backup, 'backup')).toMatchObject({
    backup_label: "'START WAL LOCATION: 0/5000028\\n'",
    begin_xlog: '0/5000028',
    children_backup_ids: '20260123T222533,20260124T222533',
    copy_stats: { copy_time: 1.069315, total_time: 1.069315 },
    included_files: ['/srv/pg/postgresql.auto.conf'],
    snapshots_info: { provider: 'gcp', snapshots: [['a', 1]] },
    tablespaces: [['tbs1', 16384, '/srv/ts1']],
    version: 150018,
  });
});

test.each([
  { reader: 'backup', begin: 'Thu Jan 22 22:25:33 2026', iso: undefined },
  { reader: 'sync-info', begin: 'Thu Jan 22 22:25:33 2026', iso: '2026-01-22T22:25:33.383242+00:00' },
  { reader: 'diagnose', begin: '2026-01-22T22:25:33.383242+00:00', iso: undefined },
] as const)('$reader has its own form of times', ({ reader, begin, iso }) => {
  const json = recordJson(backup, reader);
  expect(json['begin_time']).toBe(begin);
  expect(json['begin_time_iso']).toBe(iso);
});

test('times that are not known are null', () => {
  const json = recordJson(backupOf({ beginTime: null, endTime: null }), 'sync-info');
  expect(json).toMatchObject({ begin_time: null, end_time: null, begin_time_iso: null, end_time_iso: null });
});
