import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { programPath } from '../helpers/run-pgcellar.ts';
import { createTestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { writeCatalog } from '../helpers/write-catalog.ts';

test('get-wal gives all of a segment to a reader who is slower than a pipe that does not wait', async () => {
  await using home = await createTestHome({
    servers: { main: { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' } },
  });
  await writeCatalog(home, 'main');
  const name = '000000010000000000000002';
  const content = randomBytes(5_000_000);
  await writeFile(home.server('main', 'wals', '0000000100000000', name), content);
  const pipe = join(home.folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const descriptor = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const child = spawn(await programPath(home), ['-c', home.configFile, 'get-wal', 'main', name], {
    env: home.env(),
    stdio: ['ignore', descriptor, 'inherit'],
  });
  const ended = once(child, 'exit');
  const pieces: Buffer[] = [];
  let length = 0;
  await waitFor('all has come', () => {
    const piece = Buffer.alloc(1_000_000);
    try {
      pieces.push(piece.subarray(0, readSync(descriptor, piece)));
    } catch (error) {
      expect(error).toMatchObject({ code: 'EAGAIN' }); // nothing waits at this moment
    }
    length = pieces.reduce((sum, { length: bytes }) => sum + bytes, 0);
    return Promise.resolve(length >= content.length);
  });
  expect(await ended).toEqual([0, null]);
  closeSync(descriptor);
  expect(Buffer.concat(pieces).equals(content)).toBe(true);
  expect(await readFile(home.server('main', 'wals', '0000000100000000', name))).toHaveLength(length);
});

test('send-wals ends without a word when its reader goes away, and get-wal with an error', async () => {
  await using home = await createTestHome({
    servers: { main: { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' } },
  });
  await writeCatalog(home, 'main');
  const names = ['000000010000000000000002', '000000010000000000000003'];
  for (const name of names) await writeFile(home.server('main', 'wals', '0000000100000000', name), randomBytes(5_000_000));
  const sentTo = async (verb: string): Promise<{ exitCode: number | null; stderr: string }> => {
    const child = spawn(await programPath(home), ['-c', home.configFile, verb, 'main', names[0] ?? ''], { env: home.env() });
    child.stdin.end();
    const ended = once(child, 'exit') as Promise<[number | null]>;
    const said = text(child.stderr);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    return { exitCode: (await ended)[0], stderr: await said };
  };
  expect(await sentTo('send-wals')).toEqual({ exitCode: 0, stderr: '' });
  expect(await readFile(home.logFile, 'utf8').catch(() => '')).not.toContain('EPIPE');
  const message = 'ERROR: cannot write the WAL file to standard output: EPIPE\n';
  expect(await sentTo('get-wal')).toEqual({ exitCode: 1, stderr: message });
});
