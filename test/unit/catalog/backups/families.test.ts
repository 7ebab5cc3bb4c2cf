import { expect, test } from 'vitest';
import { ancestorsOf, childrenByParent } from '../../../../src/catalog/backups/backup.ts';
import { aBackup } from '../a-backup.ts';

const full = aBackup({ day: 1 });
const child = aBackup({ day: 2, parentBackupId: full.id });
const sibling = aBackup({ day: 3, parentBackupId: full.id });
const grandchild = aBackup({ day: 4, parentBackupId: child.id });

test('children are found by their own records, oldest first', () => {
  const children = childrenByParent([grandchild, sibling, full, child]);
  expect(children.get(full.id)).toEqual([child.id, sibling.id]);
  expect(children.get(child.id)).toEqual([grandchild.id]);
  expect(children.has(grandchild.id)).toBe(false);
});

test('ancestors come from the parent to the root, and end where a record is missing or goes in a circle', () => {
  expect(ancestorsOf([full, child, grandchild], grandchild)).toEqual([child, full]);
  expect(ancestorsOf([child, grandchild], grandchild)).toEqual([child]);
  const circle = { ...child, parentBackupId: grandchild.id };
  expect(ancestorsOf([circle, grandchild], grandchild).length).toBeLessThanOrEqual(2);
});
