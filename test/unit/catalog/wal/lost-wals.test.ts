import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readLedger } from '../../../../src/catalog/index/read-ledger.ts';
import { findLostWals } from '../../../../src/catalog/wal/lost-wals.ts';
import { aBackup, walOf } from '../a-backup.ts';
import { aCatalog, type Catalog } from '../a-catalog.ts';

const names = ['1:2', '1:3', '1:4', '2:4', '2:5'].map(walOf);
const pathOf = (name: string) => `wals/${name.slice(0, 16)}/${name}`;

async function anArchive(): Promise<Catalog> {
  const files = Object.fromEntries(names.map((name) => [pathOf(name), 'x']));
  const index = names.map((name) => `${name}\t1\t1770000000.5\tNone\n`).join('');
  return await aCatalog({ ...files, 'wals/main-xlog.db': index });
}

const look = async ({ layout }: Catalog, begin = '1:3') =>
  await findLostWals(layout, await readLedger(layout), [aBackup({ begin })]);

test('while all is there nothing is lost, looked at for the first time or again', async () => {
  await using catalog = await anArchive();
  expect([await look(catalog), await look(catalog)]).toEqual([undefined, undefined]);
});

test('a file, and then a folder, that go after the last look are missed', async () => {
  await using catalog = await anArchive();
  await look(catalog);
  await rm(join(catalog.layout.root, pathOf(walOf('1:4'))));
  expect(await look(catalog)).toEqual({ count: 1, first: walOf('1:4'), last: walOf('1:4') });
  await rename(join(catalog.layout.wals, walOf('2:4').slice(0, 16)), join(catalog.layout.root, 'aside'));
  expect(await look(catalog)).toEqual({ count: 3, first: walOf('1:4'), last: walOf('2:5') });
  await rename(join(catalog.layout.root, 'aside'), join(catalog.layout.wals, walOf('2:4').slice(0, 16)));
  await catalog.write({ [pathOf(walOf('1:4'))]: 'x' });
  expect(await look(catalog)).toBeUndefined();
});

test('WAL before all backups may be missing, and all WAL where there is no backup', async () => {
  await using catalog = await anArchive();
  await rm(join(catalog.layout.root, pathOf(walOf('1:2'))));
  expect(await look(catalog)).toBeUndefined();
  expect(await look(catalog, '1:2')).toMatchObject({ count: 1 });
  expect(await findLostWals(catalog.layout, await readLedger(catalog.layout), [])).toBeUndefined();
});

test('where nothing can be kept, each folder is read each time', async () => {
  await using catalog = await anArchive();
  await catalog.write({ '.pgcellar': 'a file' });
  expect(await look(catalog)).toBeUndefined();
  await rm(join(catalog.layout.root, pathOf(walOf('2:5'))));
  expect(await look(catalog)).toMatchObject({ count: 1 });
});
