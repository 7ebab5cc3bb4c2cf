import { expect, test } from 'vitest';
import type { ServerLayout } from '../../../../src/catalog/server-layout.ts';
import { sourceOf } from '../../../../src/restore/content/backup-source.ts';
import { aBackup } from '../restore-builders.ts';

const layout = { base: '/srv/base' } as ServerLayout; // nothing else is asked for
const full = aBackup({ day: 2 });
const child = aBackup({ day: 3, parentBackupId: full.id, compression: 'gzip' });
const grandchild = aBackup({ day: 4, parentBackupId: child.id, encryption: 'gpg' });

test('a chain is read from its full backup on', () => {
  const { members, leaf } = sourceOf(grandchild, [full, child, grandchild], layout);
  expect(members.map(({ backup, form }) => `${backup.id} ${form}`)).toEqual([
    `${full.id} plain`,
    `${child.id} tar`,
    `${grandchild.id} plain`,
  ]);
  expect(leaf).toMatchObject({ files: { folder: `/srv/base/${grandchild.id}` }, isEncrypted: true });
});

test.each([
  ['is not in the catalog', [child, grandchild]],
  ['has the status FAILED', [{ ...full, status: 'FAILED' as const }, child, grandchild]],
  ['builds on it in turn', [{ ...full, parentBackupId: grandchild.id }, child, grandchild]],
])('a chain is refused when one of its backups %s', (reason, backups) => {
  expect(() => sourceOf(grandchild, backups, layout)).toThrow(reason);
});
