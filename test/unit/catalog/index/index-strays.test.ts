import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { indexStrays } from '../../../../src/catalog/index/wal-index.ts';
import { xlogdbPath } from '../../../../src/catalog/server-layout.ts';
import { walOf } from '../a-backup.ts';
import { aCatalog } from '../a-catalog.ts';

const pathOf = (short: string) => `wals/${walOf(short).slice(0, 16)}/${walOf(short)}`;

test('files of the newest folders that are not in the index are added to it', async () => {
  await using catalog = await aCatalog(Object.fromEntries(['1:FE', '1:FF'].map((short) => [pathOf(short), short])));
  await catalog.indexed();
  const next = '000000010000000100000000';
  await catalog.write({ [pathOf('1:FD')]: 'stray', [`wals/0000000100000001/${next}`]: 'stray' });
  await catalog.write({ [`${pathOf('1:FC')}.compressed`]: 'half', [`wals/0000000100000001/${walOf('1:1')}`]: 'lost' });
  const added = [walOf('1:FD'), next];
  expect(await indexStrays(catalog.layout, undefined)).toEqual(added);
  expect(await catalog.indexed()).toEqual([...['1:FE', '1:FF'].map(walOf), ...added]);
  expect(await indexStrays(catalog.layout, undefined)).toEqual([]);
});

test('a name that stands further up in the index is not added again', async () => {
  await using catalog = await aCatalog({ [pathOf('1:1')]: 'first' });
  await catalog.indexed();
  // more than the part of the index that is looked at first
  const lines = Array.from(
    { length: 20_000 },
    (_, number) => `${walOf(`1:${(number + 2).toString(16)}`)}\t16777216\t1764150000.5\tNone\n`,
  );
  await appendFile(xlogdbPath(catalog.layout), lines.join(''));
  await appendFile(xlogdbPath(catalog.layout), `${walOf('1:2')}.00000028.backup\t300\t1764150000.5\tNone\n`);
  expect(await indexStrays(catalog.layout, undefined)).toEqual([]);
});

test('an index that is missing is left to be built', async () => {
  await using catalog = await aCatalog({ [pathOf('1:1')]: 'first' });
  expect(await indexStrays(catalog.layout, undefined)).toEqual([]);
  expect(await catalog.files('wals')).toEqual([join('0000000100000000', walOf('1:1'))]);
});
