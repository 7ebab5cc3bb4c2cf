import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { isAlive } from '../../../../src/shared/is-alive.ts';
import { runProgram, startFlowing, startProgram } from '../../../../src/transport/programs/run-program.ts';
import { createTemporaryFolder } from '../../../helpers/temporary-folder.ts';
import { waitFor } from '../../../helpers/wait-for.ts';
import { environment, writeScript } from '../scripts.ts';

const sh = (script: string, ...words: readonly string[]) => ['/bin/sh', '-c', script, 'sh', ...words];

test.each([0, 1, 62, 255])('exit code %d is told and never thrown', async (code) => {
  const argv = sh('echo out; echo err >&2; exit $1', String(code));
  expect(await runProgram(argv, { environment })).toEqual({
    argv,
    exitCode: code,
    signal: undefined,
    stdout: 'out\n',
    stderr: 'err\n',
  });
});

test('a program that a signal ended has no exit code', async () => {
  expect(await runProgram(sh('kill -KILL $$'), { environment })).toMatchObject({ exitCode: undefined, signal: 'SIGKILL' });
});

test('a program that is not there or may not run ends with an exit code and says why', async () => {
  await using folder = await createTemporaryFolder('run');
  for (const path of [join(folder.path, 'none'), folder.path]) {
    const { exitCode, stderr } = await runProgram([path], { environment });
    expect(exitCode).toBeGreaterThanOrEqual(126);
    expect(stderr).toContain(path);
  }
});

test('words and environment reach the program as they are', async () => {
  const words = ['two words', "it's", '$HOME', '', '--', '*', 'new\nline'];
  const { stdout } = await runProgram(sh('printf "%s|" "$@"; printf "%s" "$NAME${NONE-unset}"', ...words), {
    environment: { ...environment, NAME: 'a value', NONE: undefined },
  });
  expect(stdout).toBe(`${words.map((word) => `${word}|`).join('')}a valueunset`);
});

test('nothing of our own environment reaches the program', async () => {
  const { stdout } = await runProgram(['/usr/bin/env'], { environment: { PATH: '/usr/bin:/bin' } });
  expect(stdout).toBe('PATH=/usr/bin:/bin\n');
});

test('a program runs in the folder that it is given', async () => {
  await using folder = await createTemporaryFolder('run');
  expect((await runProgram(sh('pwd'), { environment, cwd: folder.path })).stdout).toBe(`${folder.path}\n`);
});

test.each([
  { title: 'a socket', more: {} },
  { title: 'a pipe where there is no place for a socket', more: { TMPDIR: '/nowhere' } },
])('a program that writes much is read through $title, to its end', async ({ more }) => {
  const usual = process.env['TMPDIR'];
  Object.assign(process.env, more);
  try {
    const hash = createHash('md5');
    let bytes = 0;
    const { stdin, ended } = await startFlowing(sh('read word; yes "$word" | head -c 5000000; exit 3'), {
      environment,
      onPiece: (piece) => {
        bytes += piece.length;
        hash.update(piece);
      },
    });
    stdin.end('word\n');
    expect(await ended).toMatchObject({ exitCode: 3 });
    const expected = createHash('md5').update('word\n'.repeat(1_000_000)).digest('hex');
    expect({ bytes, sum: hash.digest('hex') }).toEqual({ bytes: 5_000_000, sum: expected });
  } finally {
    if (usual === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = usual;
  }
});

test('a program that writes much can be abandoned, and one that is not there ends with an exit code', async () => {
  const { ended, abandon } = await startFlowing(sh('exec sleep 60'), { environment, onPiece: () => undefined });
  abandon();
  expect(await ended).toMatchObject({ exitCode: undefined });
  const missing = await startFlowing(['/no/such/program'], { environment, onPiece: () => undefined });
  expect((await missing.ended).exitCode).toBe(127);
});

test('input is what it reads; without any it is at its end', async () => {
  expect((await runProgram(['/bin/cat'], { environment, input: 'text' })).stdout).toBe('text');
  expect((await runProgram(['/bin/cat'], { environment })).stdout).toBe('');
});

test('a program that ends without reading its input has an exit code as any other', async () => {
  const input = Buffer.alloc(4 * 1024 * 1024);
  expect(await runProgram(sh('exit 7'), { environment, input })).toMatchObject({ exitCode: 7 });
});

test('lines are told as they come, a carriage return ends one too, the last needs no end', async () => {
  const lines: string[] = [];
  await runProgram(sh(String.raw`printf 'one\ntwo\rthree\r\n\nfour'`), {
    environment,
    onStdoutLine: (line) => lines.push(line),
  });
  expect(lines).toEqual(['one', 'two', 'three', 'four']);
});

test('lines of both streams are told apart', async () => {
  const [out, err]: [string[], string[]] = [[], []];
  await runProgram(sh('echo a; echo b >&2; echo c'), {
    environment,
    onStdoutLine: (line) => out.push(line),
    onStderrLine: (line) => err.push(line),
  });
  expect([out, err]).toEqual([['a', 'c'], ['b']]);
});

test('a letter that comes in two pieces is one letter', async () => {
  await using folder = await createTemporaryFolder('run');
  const script = await writeScript(folder.path, 'pieces', String.raw`printf '\303'; read answer; printf '\251\n'`);
  const program = await startProgram([script], { environment });
  const lines: Buffer[] = [];
  program.stdout.on('data', (chunk: Buffer) => {
    lines.push(chunk);
    if (lines.length === 1) program.stdin.end('\n');
  });
  await program.ended;
  expect(lines).toHaveLength(2);
  const seen: string[] = [];
  await runProgram(sh(String.raw`printf 'caf\303'; sleep 0.05; printf '\251\n'`), {
    environment,
    onStdoutLine: (line) => seen.push(line),
  });
  expect(seen).toEqual(['café']);
});

test('of standard error the end is kept', async () => {
  const { stderr } = await runProgram(sh('seq 1 100000 >&2'), { environment });
  expect(stderr.length).toBeLessThanOrEqual(2 * 64 * 1024);
  expect(stderr.endsWith('99999\n100000\n')).toBe(true);
});

test('of standard output all is kept', async () => {
  const { stdout } = await runProgram(sh('seq 1 100000'), { environment });
  expect(stdout.split('\n')).toHaveLength(100_001);
});

test.each([
  { stopSignal: undefined, told: 'TERM' },
  { stopSignal: 'SIGINT' as const, told: 'INT' },
])('aborting tells the program to end with $told', async ({ stopSignal, told }) => {
  const abort = new AbortController();
  const script = 'trap "echo INT; exit 3" INT; trap "echo TERM; exit 4" TERM; echo ready; while :; do sleep 0.02; done';
  const { stdout, exitCode } = await runProgram(sh(script), {
    environment,
    signal: abort.signal,
    ...(stopSignal === undefined ? {} : { stopSignal }),
    onStdoutLine: (line) => {
      if (line === 'ready') abort.abort();
    },
  });
  expect(stdout).toBe(`ready\n${told}\n`);
  expect(exitCode).toBe(told === 'INT' ? 3 : 4);
});

test('a program that is started when it is too late is stopped', async () => {
  const result = await runProgram(['/bin/sleep', '600'], { environment, signal: AbortSignal.abort() });
  expect(result).toMatchObject({ exitCode: undefined, signal: 'SIGTERM' });
});

test('the caller serves both streams of a started program, and may kill it', async () => {
  const program = await startProgram(['/bin/cat'], { environment });
  expect(isAlive(program.pid)).toBe(true);
  program.stdin.end('through');
  expect(await text(program.stdout)).toBe('through');
  expect(await program.ended).toMatchObject({ exitCode: 0, stdout: '' });
  const sleeping = await startProgram(['/bin/sleep', '600'], { environment });
  sleeping.stdout.resume();
  sleeping.kill('SIGKILL');
  expect(await sleeping.ended).toMatchObject({ signal: 'SIGKILL' });
});

test('a machine without setpriv is told so', async () => {
  await using folder = await createTemporaryFolder('run');
  await mkdir(join(folder.path, 'empty'));
  await expect(runProgram(['/bin/true'], { environment: { PATH: join(folder.path, 'empty') } })).rejects.toMatchObject({
    code: 'program-missing',
    hint: 'install the package util-linux',
  });
});

/** The process id that the program prints; whoever started it was killed meanwhile. */
async function startedByKilled(argv: readonly string[], options: string): Promise<number> {
  const source = new URL('../../../../src/transport/programs/run-program.ts', import.meta.url).href;
  const script = `import { runProgram } from ${JSON.stringify(source)};
    await runProgram(${JSON.stringify(argv)}, { environment: process.env, onStdoutLine: (line) => console.log(line)${options} });`;
  const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(parent.stdout), 'line')) as [string]; // the event's documented argument
  const pid = Number(line);
  expect(isAlive(pid)).toBe(true);
  const ended = once(parent, 'close');
  parent.kill('SIGKILL');
  await ended;
  return pid;
}

test('a program dies with the process that started it, even when that one is killed', async () => {
  const pid = await startedByKilled(sh('echo $$; exec sleep 600'), '');
  await waitFor('the child of a killed process ends', () => !isAlive(pid));
});

test.each([
  { title: 'a child', script: 'sleep 600 & echo $!; wait' },
  { title: 'a grandchild that its parent does not wait for', script: '(sleep 600 & echo $!; sleep 600) & sleep 600' },
  { title: 'a child in a session of its own', script: `setsid sh -c 'echo $$; exec sleep 600' & wait` },
  { title: 'one that ignores that it is to end', script: `sh -c 'trap "" TERM; echo $$; while :; do sleep 1; done' & wait` },
])('what a program started dies with us when its tree is ours: $title', async ({ script }) => {
  const pid = await startedByKilled(sh(script), ', isTreeOurs: true');
  await waitFor('what a program started ends', () => !isAlive(pid), { timeoutMs: 30_000 });
});
