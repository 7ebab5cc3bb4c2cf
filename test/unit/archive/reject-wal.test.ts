import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { rejectWal } from '../../../src/archive/reject-wal.ts';
import { aCatalog } from '../catalog/a-catalog.ts';

const now = new Date('2026-01-02T03:04:05.678Z');

test('a second rejected file of one name in one second gets a number and overwrites nothing', async () => {
  await using catalog = await aCatalog();
  const reject = async (content: string) => {
    await catalog.write({ 'incoming/file': content });
    return await rejectWal(catalog.layout, join(catalog.layout.incoming, 'file'), { reason: 'duplicate', now });
  };
  const paths = [await reject('a'), await reject('b'), await reject('c')];
  expect(paths.map((path) => basename(path))).toEqual([
    'file.20260102T030405Z.duplicate',
    'file.20260102T030405Z.1.duplicate',
    'file.20260102T030405Z.2.duplicate',
  ]);
  expect(await Promise.all(paths.map((path) => readFile(path, 'utf8')))).toEqual(['a', 'b', 'c']);
  expect(await catalog.files('incoming')).toEqual([]);
});

test('a temporary file is rejected under the name it was to have', async () => {
  await using catalog = await aCatalog({ 'incoming/.12-file': '' });
  const path = await rejectWal(catalog.layout, join(catalog.layout.incoming, '.12-file'), {
    reason: 'unknown',
    now,
    name: 'file',
  });
  expect(basename(path)).toBe('file.20260102T030405Z.unknown');
});
