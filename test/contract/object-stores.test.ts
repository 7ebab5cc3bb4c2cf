import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FolderStore } from '../../src/storage/folder-store.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';
import { MemoryStore } from '../helpers/memory-store.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';

type Run = (store: ObjectStore, folder: string) => Promise<void>;

const stores: readonly { readonly kind: string; readonly withStore: (run: Run) => Promise<void> }[] = [
  {
    kind: 'a folder',
    withStore: async (run) => {
      await using folder = await createTemporaryFolder('store');
      await run(new FolderStore(join(folder.path, 'store')), folder.path);
    },
  },
  {
    kind: 'memory',
    withStore: async (run) => {
      await using folder = await createTemporaryFolder('store');
      await using store = new MemoryStore();
      await run(store, folder.path);
    },
  },
];

async function textOf(store: ObjectStore, key: string): Promise<string> {
  return (await store.read(key, { start: 0, length: 1000 })).toString();
}

async function local(folder: string, name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

describe.each(stores)('$kind', ({ withStore }) => {
  test('has nothing at first, and says so without an error', async () => {
    await withStore(async (store) => {
      expect(await store.list('')).toEqual([]);
      expect(await store.list('a/b')).toEqual([]);
      expect(await store.stat('a')).toBeUndefined();
      await store.remove(['a', 'b/c']);
      await store.adopt([]);
      await expect(store.read('a', { start: 0, length: 1 })).rejects.toMatchObject({ code: 'ENOENT' });
    });
  });

  test('can be made ready again and again', async () => {
    await withStore(async (store) => {
      await store.probe();
      await store.put('a', 'x');
      await store.probe();
      expect(await store.list('')).toEqual(['a']);
    });
  });

  test('gives back what was put, the whole and any part', async () => {
    await withStore(async (store) => {
      expect(await store.put('a/b', 'hello')).toBe(true);
      expect(await store.put('empty', '')).toBe(true);
      expect(await store.stat('a/b')).toMatchObject({ size: 5 });
      expect(await store.stat('empty')).toMatchObject({ size: 0 });
      expect((await store.read('a/b', { start: 1, length: 3 })).toString()).toBe('ell');
      expect((await store.read('a/b', { start: 4, length: 10 })).toString()).toBe('o');
      expect((await store.read('a/b', { start: 9, length: 10 })).toString()).toBe('');
    });
  });

  test('lists what lies directly below a key', async () => {
    await withStore(async (store) => {
      for (const key of ['a/b/c', 'a/b/d', 'a/e', 'ab']) await store.put(key, key);
      expect([...(await store.list(''))].toSorted()).toEqual(['a', 'ab']);
      expect([...(await store.list('a'))].toSorted()).toEqual(['b', 'e']);
      expect([...(await store.list('a/b'))].toSorted()).toEqual(['c', 'd']);
      expect(await store.list('a/b/c/d')).toEqual([]);
    });
  });

  test('replaces an object, unless it is to be stored only if there is none', async () => {
    await withStore(async (store) => {
      await store.put('a/b', 'one');
      expect(await store.put('a/b', 'two')).toBe(true);
      expect(await store.put('a/b', 'three', { onlyIfAbsent: true })).toBe(false);
      expect(await textOf(store, 'a/b')).toBe('two');
      expect(await store.put('a/c', 'four', { onlyIfAbsent: true })).toBe(true);
      expect(await textOf(store, 'a/c')).toBe('four');
      expect([...(await store.list('a'))].toSorted()).toEqual(['b', 'c']);
    });
  });

  test('stores one of two that are put at the same time only if there is none', async () => {
    await withStore(async (store) => {
      const stored = await Promise.all(['one', 'two'].map((text) => store.put('a', text, { onlyIfAbsent: true })));
      expect(stored.filter(Boolean)).toHaveLength(1);
      expect(await textOf(store, 'a')).toBe(stored[0] === true ? 'one' : 'two');
      expect(await store.list('')).toEqual(['a']);
    });
  });

  test('adopts local files with their time, in a batch, and replaces what is there', async () => {
    await withStore(async (store, folder) => {
      const one = await local(folder, 'one', '1');
      await utimes(one, 1_000_000, 1_000_000.5);
      await store.put('a/two', 'old');
      await store.adopt([
        { from: one, key: 'b/one' },
        { from: await local(folder, 'two', '22'), key: 'a/two' },
      ]);
      expect(await textOf(store, 'a/two')).toBe('22');
      expect(await store.stat('b/one')).toEqual({ size: 1, time: 1_000_000.5 });
      expect(existsSync(one)).toBe(false);
    });
  });

  test('adopts what was made at the path for staging, which is listed nowhere afterwards', async () => {
    await withStore(async (store) => {
      const path = await store.stagingPath('a/b', '.compressed');
      expect(await store.stagingPath('a/b', '.compressed')).toBe(path);
      await writeFile(path, 'made');
      await store.adopt([{ from: path, key: 'a/b' }]);
      expect(await textOf(store, 'a/b')).toBe('made');
      expect(await store.list('a')).toEqual(['b']);
    });
  });

  test('adopts a folder with all that is in it', async () => {
    await withStore(async (store, folder) => {
      await mkdir(join(folder, 'tree/inner'), { recursive: true });
      await writeFile(join(folder, 'tree/inner/file'), 'deep');
      await writeFile(join(folder, 'tree/top'), 'high');
      await store.adopt([{ from: join(folder, 'tree'), key: 'ID' }]);
      expect([...(await store.list('ID'))].toSorted()).toEqual(['inner', 'top']);
      expect(await textOf(store, 'ID/inner/file')).toBe('deep');
      expect(existsSync(join(folder, 'tree'))).toBe(false);
    });
  });

  test('does not adopt what is not there', async () => {
    await withStore(async (store, folder) => {
      await expect(store.adopt([{ from: join(folder, 'none'), key: 'a' }])).rejects.toMatchObject({ code: 'ENOENT' });
      expect(await store.stat('a')).toBeUndefined();
    });
  });

  test('removes many objects, and everything below a key', async () => {
    await withStore(async (store) => {
      for (const key of ['a/b', 'a/c', 'a/d/e', 'f/g', 'h']) await store.put(key, key);
      await store.remove(['a/b', 'a/d', 'f', 'none', 'h/none']);
      expect(await store.list('a')).toEqual(['c']);
      expect([...(await store.list(''))].toSorted()).toEqual(['a', 'h']);
      await store.remove(['a/c']);
      expect(await store.list('')).toEqual(['h']);
    });
  });

  test('tells of each removal before and after', async () => {
    await withStore(async (store) => {
      await store.put('a/b', '1');
      await store.put('a/c', '2');
      const seen: string[] = [];
      const keys = ['a/b', 'a/c'];
      const note = async (when: string, at: number) => {
        seen.push(`${when} ${keys[at]!} ${(await store.stat(keys[at]!)) === undefined ? 'gone' : 'there'}`);
      };
      await store.remove(keys, { before: (at) => note('before', at), after: (at) => note('after', at) });
      expect(seen).toEqual(['before a/b there', 'after a/b gone', 'before a/c there', 'after a/c gone']);
    });
  });

  test('names a local path for every key, or for none', async () => {
    await withStore(async (store) => {
      await store.put('a/b', 'here');
      const path = store.localPath('a/b');
      expect(store.localPath('none') === undefined).toBe(path === undefined);
      if (path !== undefined) expect(await readFile(path, 'utf8')).toBe('here');
    });
  });
});

test('a folder has no other files than its objects', async () => {
  await using folder = await createTemporaryFolder('store');
  const store = new FolderStore(folder.path);
  await store.put('a', '1', { onlyIfAbsent: true });
  await store.put('a', '2', { onlyIfAbsent: true });
  await store.put('a', '3');
  expect(await readdir(folder.path)).toEqual(['a']);
});
