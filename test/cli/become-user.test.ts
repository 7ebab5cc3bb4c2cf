// Root becomes the owner of the catalog: in place where Node lets it, else by a run as that user from the start. A stand-in for a Node that
// refuses is loaded before the program; the two must not differ in anything.
import { chmod, chown, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import { programPath } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, type RunningProgram, runProgram, startProgram } from '../helpers/run-program.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { walTar } from '../helpers/wal-tar.ts';
import { linkProgramsWithout } from '../helpers/without-programs.ts';
import { writeCatalog } from '../helpers/write-catalog.ts';
import { serverUser } from '../machine/server-user.mjs';

const refusal = fileURLToPath(new URL('../helpers/refuse-user-change.cjs', import.meta.url));
const segment = '000000010000000000000002';
const opened = new Opened();
let home: TestHome;
let rootHome: string;

/** As root, whose own configuration is one that nobody else may read. */
function environment(refuses: boolean, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const preload = refuses ? { NODE_OPTIONS: `--require ${join(home.folder, 'refuse.cjs')}` } : {};
  return { ...home.env({ more: { HOME: rootHome, ...preload } }), ...more };
}

async function run(words: readonly string[], refuses: boolean, options: { input?: Buffer } = {}): Promise<ProgramResult> {
  return await runProgram([await programPath(home), ...words], { ...options, env: environment(refuses), cwd: '/' });
}

describe.skipIf(process.getuid?.() !== 0)('root', () => {
  const { name = '', uid, gid } = serverUser() ?? {};

  beforeAll(async () => {
    const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
    home = await opened.add(createTestHome({ servers: { main: server }, owner: 'server' }));
    await writeCatalog(home, 'main');
    await home.writeFile('refuse.cjs', await readFile(refusal, 'utf8')); // where the user can read it
    await home.own(home.folder);
    rootHome = await home.makeFolder('root');
    const text = await readFile(home.configFile, 'utf8');
    await home.writeFile('root/.pgcellar.conf', text.replace('[barman]', '[pgcellar]'), 0o600);
    await chown(rootHome, 0, 0);
    await chown(join(rootHome, '.pgcellar.conf'), 0, 0);
    await chmod(rootHome, 0o700);
  });
  afterAll(() => opened.close());

  test.each([
    { words: ['list-servers'], exitCode: 0 },
    { words: ['list-backups', 'main'], exitCode: 0 },
    { words: ['-f', 'json', 'show-backup', 'main', 'latest'], exitCode: 0 },
    { words: ['get-wal', 'main', segment], exitCode: 0 },
    { words: ['list-backups', 'nobody'], exitCode: 1 },
    { words: ['get-wal', '--strict', 'main', '0000000100000000000000FF'], exitCode: 1 },
    { words: ['get-wal', '--strict', 'nobody', segment], exitCode: 200 },
  ])('$words is the same whether Node changes its user or refuses to', async ({ words, exitCode }) => {
    const [plain, again] = await Promise.all([run(words, false), run(words, true)]);
    expect(plain.exitCode).toBe(exitCode);
    expect({ ...again, stdout: again.stdout.length }).toEqual({ ...plain, stdout: plain.stdout.length });
    expect(again.stdout === plain.stdout).toBe(true);
  });

  test('standard input arrives whole, and every new file belongs to the user', async () => {
    const content = Buffer.alloc(3_000_000, 'wal');
    const input = await walTar(new Map([['000000010000000000000009', content]]));
    expect(await run(['put-wal', 'main'], true, { input })).toMatchObject({ exitCode: 0, stderr: '' });
    const path = home.server('main', 'incoming', '000000010000000000000009');
    expect((await readFile(path)).equals(content)).toBe(true);
    expect(await stat(path)).toMatchObject({ uid, gid });
    expect(await stat(home.logFile)).toMatchObject({ uid, gid });
    expect(await readdir(rootHome)).toEqual(['.pgcellar.conf']);
  });

  describe('a command that stays', () => {
    let scheduler: RunningProgram;
    const start = async (): Promise<void> => {
      const argv = [await programPath(home), '-c', home.configFile, 'schedule', '--maintenance-every', '3600'];
      scheduler = startProgram(argv, { env: environment(true), cwd: '/' });
      const told = (): string => scheduler.stdout() + scheduler.stderr();
      await waitFor('it works', () => told().includes('schedule'), { explain: told });
    };

    test.each(['SIGTERM', 'SIGINT'] as const)('ends in its own way when we alone are told %s', async (signal) => {
      await start();
      scheduler.kill(signal);
      expect(await scheduler.ended).toMatchObject({ exitCode: 0, signal: undefined });
    });

    test.each(['SIGTERM', 'SIGINT'] as const)('ends in its own way when the process group is told %s', async (signal) => {
      await start();
      scheduler.killGroup(signal);
      expect(await scheduler.ended).toMatchObject({ exitCode: 0, signal: undefined });
    });

    test('ends when we are killed', async () => {
      await start();
      expect((await home.processes()).length).toBeGreaterThan(1);
      scheduler.kill('SIGKILL');
      await waitFor('nothing runs', async () => (await home.processes()).length === 0);
      expect(await scheduler.ended).toMatchObject({ signal: 'SIGKILL' });
    });
  });

  test('the signal that ends a command is the one that we end by', async () => {
    const argv = [await programPath(home), 'put-wal', 'main'];
    const script = 'sleep 300 | { "$@"; echo $?; }';
    await using program = startProgram(['sh', '-c', script, 'sh', ...argv], { env: environment(true), cwd: '/' });
    const isOurs = ({ command }: { command: string }): boolean => /node .*put-wal main$/.test(command);
    const found = await waitFor('both processes', async () => {
      const all = (await home.processes()).filter(isOurs);
      return all.length === 2 && all;
    });
    process.kill(Math.max(...found.map(({ pid }) => pid)), 'SIGTERM');
    await waitFor('it ended', () => program.stdout() === '143\n');
  });

  test('without setpriv the package that has it is named, and PostgreSQL does not take that for a missing segment', async () => {
    const path = await linkProgramsWithout(await home.makeFolder('few'), ['setpriv']);
    const env = environment(true, { PATH: path });
    const argv = [process.execPath, await programPath(home)];
    expect(await runProgram([...argv, 'list-servers'], { env, cwd: '/' })).toMatchObject({
      exitCode: 1,
      stderr: 'ERROR: the program setpriv was not found\nHINT: install the package util-linux\n',
    });
    const { exitCode } = await runProgram([...argv, 'get-wal', '--strict', 'main', segment], { env, cwd: '/' });
    expect(exitCode).toBe(200);
  });

  test('a program where the user cannot read it is told as that', async () => {
    const folder = await home.makeFolder('closed');
    await runProgram(['cp', '-a', join(await programPath(home), '..', '..', 'package.json'), folder]);
    for (const part of ['bin', 'dist', 'node_modules'])
      await runProgram(['ln', '-s', join(await programPath(home), '..', '..', part), join(folder, part)]);
    await chown(folder, 0, 0);
    await chmod(folder, 0o700);
    const argv = [join(folder, 'bin', 'pgcellar'), 'list-servers'];
    const { exitCode, stderr } = await runProgram(argv, { env: environment(true), cwd: '/' });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`the user '${name}' cannot run ${argv[0] ?? ''}`);
  });
});
