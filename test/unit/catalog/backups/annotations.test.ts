import { expect, test } from 'vitest';
import { markGoing, readAnnotations, readAnnotationsOf, unmarkGoing } from '../../../../src/catalog/backups/annotations.ts';
import { idOf } from '../a-backup.ts';
import { aCatalog } from '../a-catalog.ts';

test('keeps and interrupted deletions are read from meta', async () => {
  await using catalog = await aCatalog({
    [`meta/${idOf(1)}-keep`]: 'full',
    [`meta/${idOf(2)}-keep`]: 'standalone',
    [`meta/${idOf(3)}-keep`]: 'standalone\n',
    [`meta/${idOf(4)}-delete_this`]: 'delete',
    [`meta/${idOf(5)}-backup.info`]: '',
    'meta/other-keep': 'full',
  });
  const { keeps, goings } = await readAnnotations(catalog.layout, []);
  expect([...keeps]).toEqual([
    [idOf(1), 'full'],
    [idOf(2), 'standalone'],
    [idOf(3), 'standalone'],
  ]);
  expect([...goings]).toEqual([idOf(4)]);
});

test.each(['', 'forever', 'STANDALONE', 'standalone too'])('a keep of "%s" counts as full', async (word) => {
  await using catalog = await aCatalog({ [`meta/${idOf(1)}-keep`]: word });
  expect((await readAnnotations(catalog.layout, [])).keeps.get(idOf(1))).toBe('full');
});

test('annotations that older releases left below base count, and meta wins', async () => {
  await using catalog = await aCatalog({
    [`base/${idOf(1)}/annotations/keep`]: 'standalone',
    [`base/${idOf(2)}/annotations/keep`]: 'standalone',
    [`meta/${idOf(2)}-keep`]: 'full',
    [`base/${idOf(3)}/annotations/delete_this`]: 'delete',
  });
  const { keeps, goings } = await readAnnotations(catalog.layout, [idOf(1), idOf(2), idOf(3)]);
  expect(Object.fromEntries(keeps)).toEqual({ [idOf(1)]: 'standalone', [idOf(2)]: 'full' });
  expect([...goings]).toEqual([idOf(3)]);
});

test('a deletion is marked in meta until it is through', async () => {
  await using catalog = await aCatalog();
  await markGoing(catalog.layout, idOf(1));
  expect(await catalog.read(`meta/${idOf(1)}-delete_this`)).toBe('delete');
  await markGoing(catalog.layout, idOf(1));
  await unmarkGoing(catalog.layout, idOf(1));
  await unmarkGoing(catalog.layout, idOf(1));
  expect(await readAnnotations(catalog.layout, [idOf(1)])).toEqual({ keeps: new Map(), goings: new Set() });
});

test('an older mark moves to meta, so that it goes with the newer one', async () => {
  await using catalog = await aCatalog({ [`base/${idOf(1)}/annotations/delete_this`]: 'delete' });
  await markGoing(catalog.layout, idOf(1));
  await unmarkGoing(catalog.layout, idOf(1));
  expect((await readAnnotations(catalog.layout, [idOf(1)])).goings).toEqual(new Set());
});

test('of one backup they are what they are among all', async () => {
  await using catalog = await aCatalog({
    [`meta/${idOf(1)}-keep`]: 'standalone',
    [`meta/${idOf(2)}-delete_this`]: 'delete',
    [`base/${idOf(3)}/annotations/keep`]: 'standalone',
    [`meta/${idOf(3)}-keep`]: 'full',
    [`base/${idOf(4)}/annotations/delete_this`]: 'delete',
  });
  const days = [1, 2, 3, 4, 5];
  const all = await readAnnotations(catalog.layout, days.map(idOf));
  for (const id of days.map(idOf)) {
    const { keeps, goings } = await readAnnotationsOf(catalog.layout, id);
    expect({ keep: keeps.get(id), isGoing: goings.has(id) }).toEqual({ keep: all.keeps.get(id), isGoing: all.goings.has(id) });
  }
});
