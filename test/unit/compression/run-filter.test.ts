import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { contentOf } from '../../../src/compression/codec.ts';
import { runFilter } from '../../../src/compression/run-filter.ts';
import { createTemporaryFolder } from '../../helpers/temporary-folder.ts';
import { waitFor } from '../../helpers/wait-for.ts';

const surroundings = { path: '/usr/bin:/bin', environment: { PATH: '/usr/bin:/bin' }, stallMs: 300 };

test.each(['sleep 1000', 'cat >/dev/null; sleep 1000 & sleep 1000'])(
  'a filter that hangs is killed with all that it started: %s',
  async (command) => {
    await using folder = await createTemporaryFolder('rf');
    const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
    await writeFile(from, 'segment');
    const environment = { ...surroundings.environment, FOLDER: folder.path };
    const argv = ['/bin/sh', '-c', command];
    const running = runFilter({ argv, from: contentOf(from), to, surroundings: { ...surroundings, environment } });
    await expect(running).rejects.toThrow(`a program that works on ${from} neither read nor wrote for 0.3 s, and was killed`);
    await waitFor('nothing is left of it', async () => !(await processesIn(folder.path)));
  },
);

/** Whether a program with this folder in its environment runs. */
async function processesIn(folder: string): Promise<boolean> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    if (environment.includes(`FOLDER=${folder}`)) return true;
  }
  return false;
}

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
