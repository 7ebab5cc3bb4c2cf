import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { copyToDescriptor } from '../../../src/shared/copy-to-descriptor.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

test.each([0, 1, 1 << 20, (1 << 20) + 1, 1_000_000])('a file of %i bytes goes whole into an open file', async (size) => {
  await using folder = await createTemporaryFolder('copy');
  const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
  const content = randomBytes(size);
  await writeFile(from, content);
  const descriptor = openSync(to, 'w');
  expect(copyToDescriptor(from, descriptor)).toBe(size);
  closeSync(descriptor);
  expect(content.equals(await readFile(to))).toBe(true);
});

test('a pipe that does not wait takes what it holds, and the number says how much that is', async () => {
  await using folder = await createTemporaryFolder('copy');
  const [from, pipe] = [join(folder.path, 'from'), join(folder.path, 'pipe')];
  const content = randomBytes(3_000_000);
  await writeFile(from, content);
  execFileSync('mkfifo', [pipe]);
  const descriptor = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const copied = copyToDescriptor(from, descriptor);
  expect(copied).toBeGreaterThan(0);
  expect(copied).toBeLessThan(content.length);
  const taken = Buffer.alloc(copied);
  for (let read = 0; read < copied; ) read += readSync(descriptor, taken, { offset: read });
  closeSync(descriptor);
  expect(taken.equals(content.subarray(0, copied))).toBe(true);
});

test('a failed write is an error', async () => {
  await using folder = await createTemporaryFolder('copy');
  const from = join(folder.path, 'from');
  await writeFile(from, 'x');
  const full = openSync('/dev/full', 'w');
  expect(() => copyToDescriptor(from, full)).toThrow(/ENOSPC/);
  closeSync(full);
});
