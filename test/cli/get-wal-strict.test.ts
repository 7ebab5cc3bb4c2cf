import { randomBytes } from 'node:crypto';
import { cp, mkdir, readdir, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { localSsh } from '../helpers/local-ssh.ts';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { createTestHome } from '../helpers/test-home.ts';

const segment = '000000010000000000000001';
const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };

test('with --strict, a missing segment is told from everything that PostgreSQL must not take for one', async () => {
  await using home = await createTestHome({ servers: { main: server } });
  const get = async (...words: string[]) => (await runPgcellar(['get-wal', ...words], { home })).exitCode;
  expect(await get('--strict', 'main', segment)).toBe(1);
  expect(await get('--strict', 'nobody', segment)).toBeGreaterThan(125);
  await mkdir(join(home.server('main', 'wals'), segment.slice(0, 16), segment), { recursive: true }); // a folder in its place
  expect(await get('main', segment)).toBe(1);
  await home.writeFile('barman.conf', 'no section\n');
  expect(await get('main', segment)).toBe(1);
  expect(await get('--strict', 'main', segment)).toBeGreaterThan(125);
});

test.each([
  ['an option that is none', ['get-wal', '--strict', '--bogus', 'main', segment]],
  ['no segment', ['get-wal', '--strict', 'main']],
  ['a name that is none', ['get-wal', '--strict', 'main', 'segment']],
  ['options that exclude each other', ['get-wal', '--strict', '-z', '--keep-compression', 'main', segment]],
  ['an option before the verb', ['--bogus', 'get-wal', '--strict', 'main', segment]],
])('with --strict, %s is no missing segment', async (_, words) => {
  await using home = await createTestHome({ servers: { main: server } });
  expect((await runPgcellar(words, { home })).exitCode).toBeGreaterThan(125);
});

test.each([
  ['an option that is none', ['--bogus', 'host', 'main', segment, 'there']],
  ['a missing word', ['host', 'main', segment]],
  ['options that exclude each other', ['-z', '-j', 'host', 'main', segment, 'there']],
  ['a port that is no number', ['--port', 'ssh', 'host', 'main', segment, 'there']],
])('with --strict, restore_command does not take %s for a missing segment', async (_, words) => {
  await using home = await createTestHome();
  const program = await programPath(home, 'pgcellar-wal-restore');
  expect((await runProgram([program, ...words], { env: home.env() })).exitCode).toBe(2);
  expect((await runProgram([program, '--strict', ...words], { env: home.env() })).exitCode).toBeGreaterThan(125);
});

test.each([
  { title: 'a recovery is stopped', signals: ['recovery.signal'], exitCodes: [200, 200] },
  { title: 'a standby asks again', signals: ['standby.signal'], exitCodes: [1, 125] },
  { title: 'so does a standby that is recovering', signals: ['recovery.signal', 'standby.signal'], exitCodes: [1, 125] },
])(
  'without --strict, by WAL that is there and cannot be read $title',
  async ({ signals, exitCodes: [least = 0, most = 0] }) => {
    await using home = await createTestHome({ servers: { main: server } });
    const folder = join(home.server('main', 'wals'), segment.slice(0, 16));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, segment), gzipSync(randomBytes(1 << 20)).subarray(0, 40_000));
    await runWell(['rebuild-xlogdb', 'main'], { home });
    const data = await home.makeFolder('data');
    for (const name of signals) await writeFile(join(data, name), '');
    const program = await programPath(home, 'pgcellar-wal-restore');
    const words = [program, '-p', '0', 'host', 'main', segment, 'RECOVERYXLOG'];
    const { exitCode = -1, stderr } = await runProgram(words, { env: await localSsh(home), cwd: data });
    expect(exitCode, stderr).toBeGreaterThanOrEqual(least);
    expect(exitCode, stderr).toBeLessThanOrEqual(most);
    expect(await readdir(data)).toEqual(signals);
  },
);

test('with --strict, neither a bug nor a program that is just being installed is a missing segment', async () => {
  await using home = await createTestHome({ servers: { main: server } });
  const preload = join(home.folder, 'bug.cjs');
  await home.writeFile(
    'bug.cjs',
    "process.on('newListener', (name) => name === 'uncaughtException' && setImmediate(() => { throw new Error('a bug'); }));",
  );
  const env = { NODE_OPTIONS: `--require ${preload}` };
  const { exitCode, stderr } = await runPgcellar(['get-wal', '--strict', 'main', segment], { home, env });
  expect({ exitCode, stderr }).toEqual({ exitCode: 200, stderr: expect.stringContaining('EXCEPTION: Error: a bug') as string });
  const bin = join(home.folder, 'bin');
  await cp(dirname(await realpath(await programPath(home))), bin, { recursive: true });
  for (const words of [
    ['pgcellar', 'get-wal', '--strict', 'main', segment],
    ['pgcellar-wal-restore', '--strict', 'host', 'main', segment, 'there'],
  ]) {
    const unbuilt = await runProgram([join(bin, words[0] ?? ''), ...words.slice(1)], { env: home.env() });
    expect(unbuilt).toMatchObject({ exitCode: 200, stderr: expect.stringContaining('pgcellar is not built') as string });
  }
});
