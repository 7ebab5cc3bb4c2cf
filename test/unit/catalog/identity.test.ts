import { expect, test } from 'vitest';
import { readIdentity, writeIdentityOnce } from '../../../src/catalog/identity.ts';
import { aCatalog } from './a-catalog.ts';

const identity = { systemid: '7000000000000000001', version: '15' };

test('before the first backup there is no identity', async () => {
  await using catalog = await aCatalog();
  expect(await readIdentity(catalog.layout)).toBeUndefined();
});

test('an identity is written once, as Barman writes it', async () => {
  await using catalog = await aCatalog();
  await writeIdentityOnce(catalog.layout, identity);
  await writeIdentityOnce(catalog.layout, { systemid: '1', version: '18' });
  expect(await readIdentity(catalog.layout)).toEqual(identity);
  expect(await catalog.read('identity.json')).toBe('{\n    "systemid": "7000000000000000001",\n    "version": "15"\n}\n');
});

test.each(['', '{', 'null', '[]', '{"systemid": 7, "version": "15"}', '{"systemid": "7"}'])(
  'a file that holds %j is told, and not overwritten',
  async (content) => {
    await using catalog = await aCatalog({ 'identity.json': content });
    await expect(readIdentity(catalog.layout)).rejects.toMatchObject({ code: 'file-unreadable' });
    await expect(writeIdentityOnce(catalog.layout, identity)).rejects.toMatchObject({ code: 'file-unreadable' });
    expect(await catalog.read('identity.json')).toBe(content);
  },
);
