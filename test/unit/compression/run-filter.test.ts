import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { contentOf } from '../../../src/compression/codec.ts';
import { runFilter } from '../../../src/compression/run-filter.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';

const surroundings = { path: '/usr/bin:/bin', environment: { PATH: '/usr/bin:/bin' }, stallMs: 300 };

test.each(['sleep 1000', 'cat >/dev/null; sleep 1000 & sleep 1000'])('a filter that hangs is killed: %s', async (command) => {
  await using folder = await createTemporaryFolder('rf');
  const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
  await writeFile(from, 'segment');
  const running = runFilter({ argv: ['/bin/sh', '-c', command], from: contentOf(from), to, surroundings });
  await expect(running).rejects.toThrow(`a program that works on ${from} neither read nor wrote for 0.3 s, and was killed`);
});

test('a filter whose output nobody takes for a while is left alone', async () => {
  await using folder = await createTemporaryFolder('rf');
  const from = join(folder.path, 'from');
  await writeFile(from, Buffer.alloc(1 << 20));
  const to = new PassThrough();
  const running = runFilter({ argv: ['cat'], from: contentOf(from), to, surroundings });
  await delay(1000);
  const taken = buffer(to);
  expect(await running).toMatchObject({ exitCode: 0 });
  to.end();
  expect((await taken).length).toBe(1 << 20);
});
