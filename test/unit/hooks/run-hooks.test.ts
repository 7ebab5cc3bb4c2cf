import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Server } from '../../../src/config/server.ts';
import { hasHooks, runPostHooks, runPreHooks, runPreHooksOrFail } from '../../../src/hooks/run-hooks.ts';
import { type Clock, systemClock } from '../../../src/shared/clock.ts';
import type { Log } from '../../../src/shared/log.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { type LonelyServer, lonelyServer } from '../check/check-setup.ts';

const run = (server: Server, more = {}) => ({ server, event: 'backup' as const, variables: {}, ...more });

/** Keeps what is logged and how long hooks wanted to wait, and does not wait. */
function aHookContext() {
  const logged: string[] = [];
  const pauses: number[] = [];
  const keep = (level: string) => (text: string) => void logged.push(`${level}: ${text}`);
  const log: Log = {
    debug: keep('DEBUG'),
    info: keep('INFO'),
    warning: keep('WARNING'),
    error: keep('ERROR'),
    named: () => log,
  };
  const clock: Clock = {
    now: () => new Date(0),
    elapsedMs: () => 0,
    sleep: (ms) => {
      pauses.push(ms);
      return Promise.resolve();
    },
  };
  return { logged, pauses, log, clock, signal: new AbortController().signal };
}

/** Measures time, and still does not wait. */
const realTime = { clock: { ...systemClock, sleep: () => Promise.resolve() } };

async function linesOf(home: LonelyServer, name = 'log'): Promise<string[]> {
  return (await readFile(join(home.folder, name), 'utf8')).trimEnd().split('\n');
}

test('scripts run in order: before plain and retried, after retried and plain', async () => {
  const names = ['pre_backup_script', 'pre_backup_retry_script', 'post_backup_script', 'post_backup_retry_script'];
  await using home = await lonelyServer(names.map((name) => `${name} = echo ${name} >> FOLDER/log`).join('\n'));
  expect(await runPreHooks(run(home.server), aHookContext())).toBe('go-on');
  await runPostHooks(run(home.server), aHookContext());
  expect(await linesOf(home)).toEqual([
    'pre_backup_script',
    'pre_backup_retry_script',
    'post_backup_retry_script',
    'post_backup_script',
  ]);
});

test('without scripts there is nothing to run', async () => {
  await using home = await lonelyServer('post_delete_script = true');
  expect(hasHooks(home.server, 'backup')).toBe(false);
  expect(hasHooks(home.server, 'delete')).toBe(true);
  expect(await runPreHooks(run(home.server), aHookContext())).toBe('go-on');
});

test('a script is told of its event in the environment, and its own variables cannot hide that', async () => {
  await using home = await lonelyServer('pre_backup_retry_script = env | grep ^BARMAN_ | sort > FOLDER/log');
  const variables = { BARMAN_BACKUP_ID: '20260102T120000', BARMAN_PHASE: 'other' };
  await runPreHooks(run(home.server, { variables, error: 'no space' }), aHookContext());
  expect(await linesOf(home)).toEqual([
    'BARMAN_BACKUP_ID=20260102T120000',
    `BARMAN_CONFIGURATION=${home.folder}/main.conf`,
    'BARMAN_ERROR=no space',
    'BARMAN_HOOK=backup_retry_script',
    'BARMAN_PHASE=pre',
    'BARMAN_RETRY=1',
    'BARMAN_SERVER=main',
    'BARMAN_VERSION=3.20.1',
  ]);
});

test('the plain script is told that it is not retried', async () => {
  await using home = await lonelyServer(
    'post_backup_script = echo $BARMAN_HOOK $BARMAN_PHASE $BARMAN_RETRY [$BARMAN_ERROR] > FOLDER/log',
  );
  await runPostHooks(run(home.server), aHookContext());
  expect(await linesOf(home)).toEqual(['backup_script post 0 []']);
});

test('a script finds programs in path_prefix first and has nothing to read', async () => {
  await using home = await lonelyServer(
    'path_prefix = FOLDER/bin\npre_backup_script = echo $PATH > FOLDER/log; cat >> FOLDER/log',
  );
  await runPreHooks(run(home.server), aHookContext());
  expect(await linesOf(home)).toEqual([`${home.folder}/bin:/usr/bin:/bin`]);
});

test('the output of a script goes to the log, and its exit code changes nothing', async () => {
  await using home = await lonelyServer('pre_backup_script = echo out; echo err >&2; exit 63');
  const context = aHookContext();
  expect(await runPreHooks(run(home.server), context)).toBe('go-on');
  expect(context.logged.toSorted()).toEqual([
    'DEBUG: pre_backup script: out',
    'DEBUG: running pre_backup_script',
    'WARNING: pre_backup script: err',
    'WARNING: pre_backup_script ended with 63, which is ignored',
  ]);
});

/** Ends with each of the codes in turn, then with the last one for ever. */
const inTurn = (...codes: readonly number[]) =>
  `echo x >> FOLDER/log; n=$(wc -l < FOLDER/log); set -- ${codes.join(' ')}; [ $n -lt $# ] || n=$#; shift $((n - 1)); exit $1`;

test('a retried script runs until it succeeds: five short pauses, a long one, and from the beginning', async () => {
  await using home = await lonelyServer(`pre_backup_retry_script = ${inTurn(1, 1, 2, 3, 61, 64, 1, 0)}`);
  const context = aHookContext();
  expect(await runPreHooks(run(home.server), context)).toBe('go-on');
  expect(await linesOf(home)).toHaveLength(8);
  expect(context.pauses).toEqual([3_000, 3_000, 3_000, 3_000, 3_000, 60_000, 3_000]);
});

test('a retried script that a signal ends runs again', async () => {
  await using home = await lonelyServer(
    'pre_backup_retry_script = [ -e FOLDER/log ] || { echo x > FOLDER/log; kill -KILL $$; }',
  );
  const context = aHookContext();
  expect(await runPreHooks(run(home.server), context)).toBe('go-on');
  expect(context.pauses).toEqual([3_000]);
});

test('62 goes on without the script', async () => {
  await using home = await lonelyServer(`pre_backup_retry_script = ${inTurn(1, 62)}`);
  const context = aHookContext();
  expect(await runPreHooks(run(home.server), context)).toBe('go-on');
  expect(context.pauses).toHaveLength(1);
});

test('63 before the event stops it, or fails it where nothing else can be done', async () => {
  await using home = await lonelyServer('pre_backup_retry_script = exit 63');
  expect(await runPreHooks(run(home.server), aHookContext())).toBe('stop');
  await expect(runPreHooksOrFail(run(home.server), aHookContext())).rejects.toMatchObject({
    code: 'command-failed',
    message: 'the pre_backup_retry_script asked to stop (exit code 63)',
  });
});

test('63 after the event is logged, and the plain script still runs', async () => {
  await using home = await lonelyServer('post_backup_retry_script = exit 63\npost_backup_script = echo after > FOLDER/log');
  const context = aHookContext();
  await runPostHooks(run(home.server), context);
  expect(await linesOf(home)).toEqual(['after']);
  expect(context.logged).toEqual([
    'DEBUG: running post_backup_retry_script',
    'ERROR: post_backup_retry_script asked to stop (exit code 63), which is ignored after the event',
    'DEBUG: running post_backup_script',
  ]);
});

test('a wish to stop ends the wait for the next try', async () => {
  await using home = await lonelyServer('pre_backup_retry_script = exit 1');
  const stopped = { ...aHookContext(), clock: { ...aHookContext().clock, sleep: () => Promise.reject(new Error('stopped')) } };
  await expect(runPreHooks(run(home.server), stopped)).rejects.toThrow('stopped');
});

test('a script that takes longer than hook_timeout is ended with all that it started, and tried again', async () => {
  await using home = await lonelyServer(
    `hook_timeout = 1
pre_backup_retry_script = echo x >> FOLDER/log; [ $(wc -l < FOLDER/log) -gt 1 ] || { sleep 300 & echo $! > FOLDER/child; wait; }`,
  );
  const context = { ...aHookContext(), ...realTime };
  expect(await runPreHooks(run(home.server), context)).toBe('go-on');
  expect(await linesOf(home)).toHaveLength(2);
  expect(context.logged).toContain('ERROR: pre_backup_retry_script was ended after 1 s (hook_timeout)');
  const [child = ''] = await linesOf(home, 'child');
  await waitFor('what it started is gone', () => !isAlive(Number(child)));
});

test('a plain script that takes longer than hook_timeout only costs that time', async () => {
  await using home = await lonelyServer('hook_timeout = 1\npost_backup_script = exec sleep 300');
  const context = { ...aHookContext(), ...realTime };
  await runPostHooks(run(home.server), context);
  expect(context.logged).toEqual([
    'DEBUG: running post_backup_script',
    'ERROR: post_backup_script was ended after 1 s (hook_timeout)',
    'WARNING: post_backup_script ended with 124, which is ignored',
  ]);
});

test('a signal ends a script before the event, and the event does not begin', async () => {
  await using home = await lonelyServer('pre_backup_script = touch FOLDER/begun; exec sleep 300');
  const stopping = new AbortController();
  const running = runPreHooks(run(home.server), { ...aHookContext(), signal: stopping.signal });
  await Promise.all([
    expect(running).rejects.toMatchObject({ code: 'interrupted' }),
    waitFor('the script runs', () => existsSync(join(home.folder, 'begun'))).then(() => stopping.abort()),
  ]);
});

test('a signal ends what a script before the event started, too', async () => {
  await using home = await lonelyServer('pre_backup_script = (sleep 300 & echo $! > FOLDER/child; wait) & wait');
  const stopping = new AbortController();
  const running = runPreHooks(run(home.server), { ...aHookContext(), signal: stopping.signal });
  const child = join(home.folder, 'child');
  await Promise.all([
    expect(running).rejects.toMatchObject({ code: 'interrupted' }),
    waitFor('the script runs', () => existsSync(child) && readFileSync(child, 'utf8') !== '').then(() => stopping.abort()),
  ]);
  await waitFor('what it started is gone', () => !isAlive(Number(readFileSync(child, 'utf8'))));
});

test('a process that a script leaves behind on purpose continues when the script has ended', async () => {
  await using home = await lonelyServer('post_backup_script = sleep 300 > /dev/null 2>&1 & echo $! > FOLDER/child');
  await runPostHooks(run(home.server), aHookContext());
  const child = Number(await readFile(join(home.folder, 'child'), 'utf8'));
  expect(isAlive(child)).toBe(true);
  process.kill(child, 'SIGKILL');
});

test('scripts after the event run in peace although we are to stop', async () => {
  await using home = await lonelyServer('post_backup_script = echo done > FOLDER/log');
  const stopped = { ...aHookContext(), signal: AbortSignal.abort() };
  await runPostHooks(run(home.server), stopped);
  expect(await linesOf(home)).toEqual(['done']);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\tZ/m.test(readFileSync(`/proc/${String(pid)}/status`, 'utf8'));
  } catch (error) {
    if (!['ESRCH', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return false;
  }
}

test('without a timeout the program is the parent of its scripts, as scripts know it', async () => {
  await using home = await lonelyServer('pre_backup_script = echo $PPID > FOLDER/log');
  await runPreHooks(run(home.server), aHookContext());
  expect(await linesOf(home)).toEqual([String(process.pid)]);
});
