import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { systemClock } from '../../../../src/shared/clock.ts';
import { isAlive } from '../../../../src/shared/is-alive.ts';
import { startDetached } from '../../../../src/transport/programs/start-detached.ts';
import { stopProcess } from '../../../../src/transport/programs/stop-process.ts';
import { waitFor } from '../../../helpers/wait-for.ts';
import { environment } from '../scripts.ts';

test('a process is asked to end, and has ended', async () => {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  expect(await stopProcess(child.pid!, systemClock)).toBe('stopped');
  expect(isAlive(child.pid!)).toBe(false);
});

test('a process that does not want to end survives', async () => {
  const child = spawn('sh', ['-c', 'trap "" INT; echo ready; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const hurried = { ...systemClock, sleep: () => Promise.resolve() };
  expect(await stopProcess(child.pid!, hurried)).toBe('survived');
  const ended = once(child, 'close');
  child.kill('SIGKILL');
  await ended;
});

test('a process that is gone already has stopped', async () => {
  expect(await stopProcess(999_999_999, systemClock)).toBe('stopped');
});

test('a detached program is the leader of a session of its own', async () => {
  const pid = await startDetached(['/bin/sleep', '600'], { environment, keepsOutput: false });
  const [, , , session] = (await readFile(`/proc/${String(pid)}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  expect(Number(session)).toBe(pid);
  process.kill(pid, 'SIGKILL');
  await waitFor('the detached program ends', () => !isAlive(pid));
});
