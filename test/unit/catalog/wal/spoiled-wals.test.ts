import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readLedger } from '../../../../src/catalog/index/read-ledger.ts';
import { findSpoiledWals } from '../../../../src/catalog/wal/spoiled-wals.ts';
import { walArchiveOf } from '../../../../src/catalog/wal/wal-archive.ts';
import { segmentAtIndex } from '../../../../src/wal/wal-name.ts';
import { segmentOf, walOf } from '../a-backup.ts';
import { aCatalog, type Catalog } from '../a-catalog.ts';

const count = 200;
const names = [
  ...Array.from({ length: count }, (_, number) => segmentAtIndex(1, number + 1, 1 << 24)),
  ...['2:201', '2:202'].map(walOf),
];
const pathOf = (name: string) => `wals/${name.slice(0, 16)}/${name}`;

async function anArchive(): Promise<Catalog> {
  const files = Object.fromEntries(names.map((name) => [pathOf(name), 'four']));
  const index = names.map((name) => `${name}\t4\t1770000000.5\tNone\n`).join('');
  return await aCatalog({ ...files, 'wals/main-xlog.db': index });
}

const look = async ({ layout }: Catalog, minute = 0, from = '1:1') =>
  await findSpoiledWals(walArchiveOf(layout), {
    ledger: await readLedger(layout),
    from: segmentOf(from),
    now: new Date(minute * 60_000),
  });

test('sizes as in the index are no matter, nor is a file that is gone', async () => {
  await using catalog = await anArchive();
  await rm(join(catalog.layout.root, pathOf(walOf('2:202'))));
  expect(await look(catalog)).toEqual([]);
});

test.each([
  ['emptied', ''],
  ['cut short', 'fou'],
  ['longer', 'four!'],
])('of the newest segments one that is %s is found by each look, on whatever timeline', async (_, content) => {
  await using catalog = await anArchive();
  for (const name of ['1:C8', '2:202']) await writeFile(join(catalog.layout.root, pathOf(walOf(name))), content);
  const found = ['1:C8', '2:202'].map((name) => ({ name: walOf(name), size: content.length, indexedSize: 4 }));
  for (const minute of [0, 1, 2]) expect(await look(catalog, minute)).toEqual(found);
});

test('an older one is found within as many minutes as it takes to come to each', async () => {
  await using catalog = await anArchive();
  await writeFile(join(catalog.layout.root, pathOf(walOf('1:50'))), '');
  const found = await Promise.all([0, 1].map(async (minute) => (await look(catalog, minute)).length));
  expect(found.toSorted()).toEqual([0, 1]);
});

test('before the first that is needed nothing is looked at', async () => {
  await using catalog = await anArchive();
  await writeFile(join(catalog.layout.root, pathOf(walOf('1:2'))), '');
  expect(await look(catalog, 0, '1:2')).toHaveLength(1);
  expect(await look(catalog, 0, '1:3')).toEqual([]);
});
