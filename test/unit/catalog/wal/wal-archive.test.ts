import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { WalArchive, walArchiveOf } from '../../../../src/catalog/wal/wal-archive.ts';
import { MemoryStore } from '../../../helpers/memory-store.ts';
import { walOf } from '../a-backup.ts';
import { aCatalog } from '../a-catalog.ts';

type Run = (archive: WalArchive) => Promise<void>;

const kinds: readonly { readonly kind: string; readonly withArchive: (run: Run) => Promise<void> }[] = [
  {
    kind: 'in a folder',
    withArchive: async (run) => {
      await using catalog = await aCatalog();
      await run(walArchiveOf(catalog.layout));
    },
  },
  {
    kind: 'in a store without paths',
    withArchive: async (run) => {
      await using store = new MemoryStore();
      await run(new WalArchive(store));
    },
  },
];

/** Archives files that hold their names. */
async function fill(archive: WalArchive, ...wals: readonly string[]): Promise<void> {
  const files = [];
  for (const name of wals.map(walOf)) {
    const from = await archive.stagingPath(name, '.compressed');
    await writeFile(from, name);
    files.push({ from, name });
  }
  await archive.adopt(files);
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe.each(kinds)('an archive $kind', ({ withArchive }) => {
  test('has the segments, labels and histories that were moved in', async () => {
    await withArchive(async (archive) => {
      expect(await archive.has(walOf('1:2'))).toBe(false);
      await fill(archive, '1:2', '00000002.history');
      expect(await archive.has(walOf('1:2'))).toBe(true);
      expect(await archive.has(walOf('00000002.history'))).toBe(true);
      expect(await archive.has(walOf('1:3'))).toBe(false);
    });
  });

  test('tells which of some segments are missing, across folders', async () => {
    await withArchive(async (archive) => {
      await fill(archive, '1:FE', '2:1', '00000002.history');
      const asked = ['1:FE', '1:FF', '2:1', '2:2', '00000002.history', '00000003.history'].map(walOf);
      expect(await archive.missing(asked)).toEqual(['1:FF', '2:2', '00000003.history'].map(walOf));
      expect(await archive.missing([])).toEqual([]);
    });
  });

  test('names the newest whole segment, of one timeline or of all', async () => {
    await withArchive(async (archive) => {
      expect(await archive.newestSegment()).toBeUndefined();
      await fill(archive, '1:2', '1:10', '2:3', '2:4.partial', '3:5.partial', '00000003.history');
      expect(await archive.newestSegment()).toBe(walOf('2:3'));
      expect(await archive.newestSegment(1)).toBe(walOf('1:10'));
      expect(await archive.newestSegment(3)).toBeUndefined();
    });
  });

  test('goes through its folders in order, from one on', async () => {
    await withArchive(async (archive) => {
      await fill(archive, '2:3', '1:2', '1:1', '00000002.history');
      const found = await all(archive.foldersFrom());
      expect(found).toEqual([
        { folder: '0000000100000000', names: ['1:1', '1:2'].map(walOf) },
        { folder: '0000000200000000', names: [walOf('2:3')] },
      ]);
      expect(await all(archive.foldersFrom('0000000100000001'))).toEqual(found.slice(1));
    });
  });

  test('removes what it is told, and nothing else', async () => {
    await withArchive(async (archive) => {
      await fill(archive, '1:2', '1:3', '1:4', '00000002.history');
      await archive.remove([{ name: walOf('1:2') }, { name: walOf('1:9') }, { name: walOf('00000002.history') }]);
      expect(await archive.missing(['1:2', '1:3', '1:4', '00000002.history'].map(walOf))).toEqual(
        ['1:2', '00000002.history'].map(walOf),
      );
    });
  });
});

test('around each removal the hooks get the entry and where it lies', async () => {
  await using catalog = await aCatalog();
  const archive = walArchiveOf(catalog.layout);
  await fill(archive, '1:2', '1:3');
  const seen: string[] = [];
  await archive.remove([{ name: walOf('1:2') }, { name: walOf('1:3') }], {
    before: async ({ name }, path) => {
      seen.push(`before ${name} ${await readFile(path, 'utf8')}`);
    },
    after: async ({ name }, path) => {
      const error: unknown = await readFile(path, 'utf8').catch((reason: unknown) => reason);
      seen.push(`after ${name} ${(error as NodeJS.ErrnoException).code ?? ''}`);
    },
  });
  const lines = ['1:2', '1:3'].map(walOf).flatMap((name) => [`before ${name} ${name}`, `after ${name} ENOENT`]);
  expect(seen).toEqual(lines);
});
