import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { allCodecs, codecFor, detectCompression } from '../../../src/compression/all-codecs.ts';
import { contentOf, levelFor } from '../../../src/compression/codec.ts';
import { gzip } from '../../../src/compression/codecs/gzip.ts';
import { lz4 } from '../../../src/compression/codecs/lz4.ts';
import { zstd } from '../../../src/compression/codecs/zstd.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

test('every codec of the folder is in the list', async () => {
  const files = await readdir(new URL('../../../src/compression/codecs', import.meta.url));
  expect(allCodecs.map(({ name }) => `${name}.ts`).toSorted()).toEqual(files.toSorted());
});

test.each([
  ['gzip', 'gzip'],
  ['pigz', 'pigz'],
  ['pygzip', 'gzip'],
  ['bzip2', 'bzip2'],
  ['pybzip2', 'bzip2'],
  ['xz', 'xz'],
  ['zstd', 'zstd'],
  ['lz4', 'lz4'],
  ['custom', undefined],
  ['snappy', 'snappy'],
  ['constructor', undefined],
])('compression = %s is written by %s', (name, codec) => {
  expect(codecFor(name)?.name).toBe(codec);
});

test.each([
  ['1f8b0800', 'gzip'],
  ['425a6839', 'bzip2'],
  ['fd377a585a0000', 'xz'],
  ['28b52ffd04', 'zstd'],
  ['04224d18', 'lz4'],
  ['ff060000734e61507059', 'snappy'],
  ['1f8b', undefined],
  ['', undefined],
  ['16d1050000', undefined],
])('a file that begins with %s is compressed with %s', (hex, name) => {
  expect(detectCompression(Buffer.from(hex, 'hex'))).toBe(name);
});

test.each([
  [gzip, 'low', 1],
  [gzip, 'medium', 6],
  [gzip, 'high', 9],
  [gzip, 0, 1],
  [gzip, 99, 9],
  [zstd, -99, -22],
  [zstd, 99, 22],
  [lz4, -1, 0],
  [lz4, 20, 16],
] as const)('$0.name at level %s is %d', (codec, level, number) => {
  expect(levelFor(codec, level)).toBe(number);
});

test('a program that is missing is told with the package that brings it', async () => {
  await using folder = await createTemporaryFolder('codec');
  const from = join(folder.path, 'from');
  await writeFile(from, 'x');
  const surroundings = { path: folder.path, environment: { PATH: '/usr/bin:/bin' } };
  const missing = { code: 'program-missing', hint: expect.stringContaining('install the package zstd') as string };
  await expect(zstd.compress(from, join(folder.path, 'to'), 3, surroundings)).rejects.toMatchObject(missing);
  await expect(zstd.decompress(contentOf(from), new PassThrough(), surroundings)).rejects.toMatchObject(missing);
});
