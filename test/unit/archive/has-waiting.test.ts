import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hasWaiting } from '../../../src/archive/archive-arrivals.ts';
import { aCatalog } from '../catalog/a-catalog.ts';

const [first, second, folder] = ['000000010000000000000001', '000000010000000000000002', '0000000100000000'];

test('nothing waits in folders that are empty or not there', async () => {
  await using catalog = await aCatalog();
  expect(await hasWaiting(catalog.layout, ['streaming', 'file'])).toBe(false);
});

test.each([
  { title: 'a segment of archive_command', files: { [`incoming/${first}`]: '' }, waits: true },
  { title: 'a file that is not WAL', files: { 'incoming/README': '' }, waits: true },
  { title: 'a file on its way', files: { 'incoming/.1-x': '', [`incoming/${first}.tmp`]: '' }, waits: false },
  { title: 'the segment that is being received', files: { [`streaming/${first}.partial`]: '' }, waits: false },
  { title: 'one that is complete', files: { [`streaming/${first}`]: '', [`streaming/${second}.partial`]: '' }, waits: true },
])('$title: $waits', async ({ files, waits }) => {
  await using catalog = await aCatalog(files);
  expect(await hasWaiting(catalog.layout, ['streaming', 'file'])).toBe(waits);
});

test('a channel that is off has nothing to wait for', async () => {
  await using catalog = await aCatalog({ [`incoming/${first}`]: '' });
  expect(await hasWaiting(catalog.layout, ['streaming'])).toBe(false);
});

test('a file that a crash left in the archive is younger than the index', async () => {
  await using catalog = await aCatalog();
  const { layout } = catalog;
  await mkdir(join(layout.wals, folder), { recursive: true });
  await writeFile(join(layout.wals, folder, first), '');
  await writeFile(join(layout.xlogdb, 'main-xlog.db'), '');
  const [before, then, later] = [1_700_000_000, 1_700_000_001, 1_700_000_002];
  const index = join(layout.xlogdb, `${layout.serverName}-xlog.db`);
  await writeFile(index, '');
  await utimes(index, then, then);
  await utimes(join(layout.wals, folder), before, before);
  expect(await hasWaiting(layout, ['file'])).toBe(false);
  await utimes(join(layout.wals, folder), later, later);
  expect(await hasWaiting(layout, ['file'])).toBe(true);
});
