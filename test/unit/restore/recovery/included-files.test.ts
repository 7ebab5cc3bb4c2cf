import { expect, test } from 'vitest';
import { requireShort } from '../../../../src/restore/content/read-plain-content.ts';
import { includedFiles } from '../../../../src/restore/recovery/included-files.ts';
import type { FoundFile } from '../../../../src/restore/recovery/mangle-configuration.ts';

/** How often each of these files was read when they were followed. */
async function readsOf(files: Readonly<Record<string, string>>) {
  const reads = new Map<string, number>();
  const included = await includedFiles(
    {
      read: (path): Promise<FoundFile> => {
        reads.set(path, (reads.get(path) ?? 0) + 1);
        const text = files[path];
        return Promise.resolve(text === undefined ? { kind: 'missing' } : { kind: 'file', text, mode: 0o600 });
      },
      namesIn: (path) => Promise.resolve(path === '' ? Object.keys(files) : undefined),
    },
    '/data',
  );
  return { included, total: [...reads.values()].reduce((sum, count) => sum + count, 0) };
}

test('files that take in each other, or themselves, are followed once on each way', async () => {
  const { included, total } = await readsOf({
    'postgresql.conf': "include 'postgresql.conf'\ninclude_dir '.'\n",
    'a.conf': "include_dir = '.'\nshared_buffers = 1\n",
  });
  expect([...new Set(included.map(({ path }) => path))].toSorted()).toEqual(['a.conf', 'postgresql.conf']);
  expect(total).toBeLessThan(20);
});

test('a thousand files that all take in all others come to an end', async () => {
  const names = Array.from({ length: 1000 }, (_, index) => `${String(index)}.conf`);
  const { total } = await readsOf(Object.fromEntries(['postgresql.conf', ...names].map((name) => [name, "include_dir '.'\n"])));
  expect(total).toBeLessThan(30_000);
});

test('a configuration file that nobody can have written is refused by its size', () => {
  expect(() => requireShort('postgresql.auto.conf', 3 * 1024 ** 3)).toThrow('no configuration file is that long');
  expect(() => requireShort('postgresql.auto.conf', 1024 ** 2)).not.toThrow();
});
