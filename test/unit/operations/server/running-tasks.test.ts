import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { serverLockPath } from '../../../../src/catalog/server-layout.ts';
import { cleanLockFolder } from '../../../../src/maintenance/clean-lock-folder.ts';
import { readRunningTasks, stopTask } from '../../../../src/operations/server/running-tasks.ts';
import { lockFile, tryLockFile } from '../../../../src/shared/file-lock.ts';
import { lonelyServer, quietContext } from '../../check/check-setup.ts';

test('listing the running work lets other work begin', async () => {
  await using home = await lonelyServer('');
  const { server } = home;
  await mkdir(server.layout.locks, { recursive: true });
  let isOver = false;
  const list = async (): Promise<void> => {
    while (!isOver) await readRunningTasks(server);
  };
  const listing = [list(), list()];
  for (let turn = 0; turn < 25; turn++) {
    await using lock = await tryLockFile(serverLockPath(server.layout, 'backup'));
    expect(lock).toBeDefined();
    expect(await readRunningTasks(server)).toEqual([{ name: 'backup', pid: process.pid }]);
  }
  isOver = true;
  await Promise.all(listing);
});

test('a lock holds while the folder of the locks is cleaned, for one at a time', async () => {
  await using home = await lonelyServer('');
  const { locks } = home.server.layout;
  await mkdir(locks, { recursive: true });
  const path = serverLockPath(home.server.layout, 'backup');
  let isOver = false;
  const clean = async (): Promise<void> => {
    while (!isOver) await cleanLockFolder(locks);
  };
  const cleaning = [clean(), clean()];
  let inside = 0;
  let most = 0;
  const work = async (): Promise<void> => {
    for (let turn = 0; turn < 15; turn++) {
      await using lock = await lockFile(path);
      expect(lock.path).toBe(path);
      most = Math.max(most, ++inside);
      await delay(2);
      inside--;
    }
  };
  await Promise.all([work(), work(), work()]);
  isOver = true;
  await Promise.all(cleaning);
  expect(most).toBe(1);
});

test('a process that only stands in a lock file that nobody holds is never stopped', async () => {
  await using home = await lonelyServer('');
  const { layout } = home.server;
  await mkdir(layout.locks, { recursive: true });
  const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(bystander, 'spawn');
  try {
    await writeFile(join(layout.locks, '.main-receive-wal.lock'), `${String(bystander.pid)}\n`);
    await expect(stopTask(home.server, 'receive-wal', quietContext())).rejects.toMatchObject({ code: 'unknown-task' });
    expect(bystander.signalCode).toBeNull();
    expect(bystander.exitCode).toBeNull();
  } finally {
    bystander.kill('SIGKILL');
    await once(bystander, 'close');
  }
});

test('several who stop one process all see it end', async () => {
  await using home = await lonelyServer('');
  const path = serverLockPath(home.server.layout, 'receive-wal');
  await mkdir(home.server.layout.locks, { recursive: true });
  const script = `exec 9>>"$1"; flock 9; echo $$ > "$1"; echo held; while :; do sleep 0.05; done`;
  const holder = spawn('sh', ['-c', script, 'sh', path], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(holder.stdout, 'data');
  const ended = once(holder, 'close');
  const outcomes = await Promise.allSettled([1, 2, 3].map(() => stopTask(home.server, 'receive-wal', quietContext())));
  await ended;
  expect(holder.signalCode).toBe('SIGINT');
  expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'unknown-task' }); // it came too late
});
