import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type WalDeletion, WalDeletionPlanner } from '../../../../src/catalog/backups/plan-deletion.ts';
import { WalIndex } from '../../../../src/catalog/index/wal-index.ts';
import { removeWals, walsToRemove } from '../../../../src/catalog/index/wal-removals.ts';
import { walArchiveOf } from '../../../../src/catalog/wal/wal-archive.ts';
import { aBackup, anEntry, walOf } from '../a-backup.ts';
import { aCatalog, type Catalog } from '../a-catalog.ts';

/** What the oldest of two backups takes with it, the newer one beginning at `limit`. */
function olderThan(limit: string): WalDeletion {
  const backups = [aBackup({ day: 1, begin: '1:0' }), aBackup({ day: 2, begin: limit })];
  return new WalDeletionPlanner({ backups, keeps: new Map(), looksPastStandalone: false }).plan(backups[0]!);
}

const pathOf = (short: string) => {
  const name = walOf(short);
  return name.endsWith('.history') ? `wals/${name}` : `wals/${name.slice(0, 16)}/${name}`;
};

/** An archive of files that hold their names, all of them indexed. */
async function anArchive(...wals: readonly string[]): Promise<Catalog> {
  const catalog = await aCatalog(Object.fromEntries(wals.map((short) => [pathOf(short), short])));
  expect(await catalog.indexed()).toHaveLength(wals.length);
  return catalog;
}

test('with segments of 1 MiB, more than 256 files of a folder go and those after them stay', async () => {
  const all = Array.from({ length: 400 }, (_, number) => `1:${number.toString(16)}`);
  await using catalog = await anArchive(...all);
  const removed = await removeWals(catalog.layout, [olderThan('1:12C')]);
  expect(removed.map(({ name }) => name)).toEqual(all.slice(0, 300).map(walOf));
  expect(await catalog.indexed()).toEqual(all.slice(300).map(walOf));
  expect(await catalog.files('wals/0000000100000000')).toEqual(all.slice(300).map(walOf));
});

test('a folder that gets empty goes, and histories stay', async () => {
  await using catalog = await anArchive('1:2', '1:3', '00000002.history', '2:4');
  await removeWals(catalog.layout, [olderThan('2:4')]);
  expect(await catalog.files('wals')).toEqual(['00000002.history', '0000000200000000/000000020000000000000004']);
  await expect(stat(join(catalog.layout.wals, '0000000100000000'))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(await catalog.indexed()).toEqual(['00000002.history', walOf('2:4')]);
});

test('a file that the index does not name stays', async () => {
  await using catalog = await anArchive('1:2', '1:4');
  await catalog.write({ [pathOf('1:3')]: 'unindexed' });
  await removeWals(catalog.layout, [olderThan('1:4')]);
  expect(await catalog.files('wals/0000000100000000')).toEqual([walOf('1:3'), walOf('1:4')]);
});

test('nothing is removed by a plan that removes nothing', async () => {
  await using catalog = await anArchive('1:2');
  expect(await removeWals(catalog.layout, [{ kind: 'none', reason: 'x' }])).toEqual([]);
  expect(await removeWals(catalog.layout, [olderThan('1:2')])).toEqual([]);
  expect(await catalog.indexed()).toEqual([walOf('1:2')]);
});

test('files to remove are listed oldest first, in whichever order they were archived', async () => {
  await using catalog = await aCatalog({ 'wals/main-xlog.db': '' });
  {
    await using index = await WalIndex.open(catalog.layout);
    await index.append([anEntry('1:3'), anEntry('1:9'), anEntry('1:1')]);
  }
  const going = await walsToRemove(catalog.layout, olderThan('1:5'));
  expect(going.map(({ name }) => name)).toEqual([walOf('1:1'), walOf('1:3')]);
});

test('a crash between the files and the index is made good by the next run', async () => {
  await using catalog = await anArchive('1:1', '1:2', '1:3', '1:4');
  for (const short of ['1:1', '1:2']) await rm(walArchiveOf(catalog.layout).pathOf(walOf(short)));
  const removed = await removeWals(catalog.layout, [olderThan('1:4')]);
  expect(removed.map(({ name }) => name)).toEqual(['1:1', '1:2', '1:3'].map(walOf));
  expect(await catalog.indexed()).toEqual([walOf('1:4')]);
  expect(await catalog.files('wals/0000000100000000')).toEqual([walOf('1:4')]);
});

test('a hook that fails stops the removal: the next run goes on with what is left', async () => {
  await using catalog = await anArchive('1:1', '1:2', '1:3');
  const seen: string[] = [];
  const refuse = {
    before: (entry: { name: string }) => {
      if (entry.name === walOf('1:2')) return Promise.reject(new Error('not now'));
      return Promise.resolve();
    },
    after: () => Promise.resolve(),
  };
  await expect(removeWals(catalog.layout, [olderThan('1:3')], refuse)).rejects.toThrow('not now');
  expect(await catalog.files('wals/0000000100000000')).toEqual([walOf('1:2'), walOf('1:3')]);
  await removeWals(catalog.layout, [olderThan('1:3')], {
    before: async (entry, path) => void seen.push(`before ${entry.name} ${String(await isThere(path))}`),
    after: async (entry, path) => void seen.push(`after ${entry.name} ${String(await isThere(path))}`),
  });
  expect(seen).toEqual([
    `before ${walOf('1:1')} false`,
    `after ${walOf('1:1')} false`,
    `before ${walOf('1:2')} true`,
    `after ${walOf('1:2')} false`,
  ]);
  expect(await catalog.indexed()).toEqual([walOf('1:3')]);
});

test('an old segment that is archived meanwhile keeps its line, because it has a file', async () => {
  await using catalog = await anArchive('1:1', '1:3');
  await removeWals(catalog.layout, [olderThan('1:3')], {
    before: async () => {
      await catalog.write({ [pathOf('1:2')]: 'late' });
      await using index = await WalIndex.open(catalog.layout);
      await index.append([anEntry('1:2')]);
    },
    after: () => Promise.resolve(),
  });
  expect(await catalog.indexed()).toEqual([walOf('1:3'), walOf('1:2')]);
  expect(await catalog.files('wals/0000000100000000')).toEqual([walOf('1:2'), walOf('1:3')]);
});

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
