import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeWalFile } from '../../../src/cli/write-wal-file.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';
import { walOf } from '../catalog/a-backup.ts';

const two = walOf('1:2');

const writes = (content: string) => (output: NodeJS.WritableStream) =>
  new Promise<void>((resolve) => {
    output.write(content, () => resolve());
  });

test('a WAL file appears under its name when it is whole, and replaces an older one', async () => {
  await using folder = await createTemporaryFolder('wal');
  await writeFile(join(folder.path, two), 'old');
  const seen: string[] = [];
  const path = await writeWalFile(folder.path, two, async (output) => {
    await writes('new')(output);
    seen.push(await readFile(join(folder.path, two), 'utf8'));
  });
  expect(seen).toEqual(['old']);
  expect(await readFile(path, 'utf8')).toBe('new');
  expect(await readdir(folder.path)).toEqual([two]);
});

test('a failure leaves nothing behind', async () => {
  await using folder = await createTemporaryFolder('wal');
  const failing = writeWalFile(folder.path, two, async (output) => {
    await writes('half')(output);
    throw new Error('no such segment');
  });
  await expect(failing).rejects.toThrow('no such segment');
  expect(await readdir(folder.path)).toEqual([]);
});

test('a folder that is not there is told, with exit code 3', async () => {
  await using folder = await createTemporaryFolder('wal');
  await expect(writeWalFile(join(folder.path, 'none'), two, writes('x'))).rejects.toMatchObject({
    code: 'wal-output-unwritable',
    exitCode: 3,
  });
});
