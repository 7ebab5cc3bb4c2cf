import { expect, test } from 'vitest';
import { parseRelationFile } from '../../../src/backup/relation-file.ts';

test.each([
  { path: 'base/5/16384', relation: { database: 5, filenode: 16384, fork: 'main', segment: 0 } },
  { path: 'base/5/16384.2', relation: { database: 5, filenode: 16384, fork: 'main', segment: 2 } },
  { path: 'base/5/16384_fsm.1', relation: { database: 5, filenode: 16384, fork: 'fsm', segment: 1 } },
  { path: 'global/1262', relation: { database: undefined, filenode: 1262, fork: 'main', segment: 0 } },
  { path: 'PG_15_202209061/5/99_vm', relation: { database: 5, filenode: 99, fork: 'vm', segment: 0 } },
  { path: 'global/pg_filenode.map', relation: undefined },
  { path: 'base/5/PG_VERSION', relation: undefined },
  { path: 'pg_xact/0000', relation: undefined },
])('$path', ({ path, relation }) => {
  expect(parseRelationFile(path)).toEqual(relation);
});
