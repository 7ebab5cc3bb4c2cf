import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeFileDurably, writeFileDurably } from '../../../src/shared/durable-file.ts';

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pgcellar-durable-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('a written file replaces the old one and leaves no temporary name', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'deep', 'record');
    await writeFileDurably(path, 'old');
    await writeFileDurably(path, 'new', { mode: 0o600 });
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'deep'))).toEqual(['record']);
  });
});

test('a write that fails leaves the old file and no temporary name', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'taken');
    await writeFileDurably(join(path, 'inside'), 'x'); // `taken` is a folder now, so the rename onto it must fail
    await expect(writeFileDurably(path, 'y')).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['taken']);
  });
});

test('removing a missing file is no failure', async () => {
  await withFolder(async (folder) => {
    await expect(removeFileDurably(join(folder, 'missing'))).resolves.toBeUndefined();
  });
});
