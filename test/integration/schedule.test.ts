// `schedule` with a real server and times of seconds: two of them concurrently on one home, reloading, draining, and the service manager.
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { type RunningProgram, startProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { waitForReceiver } from '../helpers/start-receiver.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { startWriteLoad } from '../helpers/write-load.ts';

const opened = new Opened();
let cluster: PostgresServer;
let home: TestHome;

beforeAll(async () => {
  cluster = await opened.add(startCluster({ major: 18 }));
  home = await opened.add(createTestHome());
});
afterAll(() => opened.close());

const never = '0 0 1 1 *';
const everySecond = '* * * * * * Etc/UTC';

const withSchedule = async (schedule: string, more = {}): Promise<void> =>
  await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true, backup_schedule: schedule, ...more }));

async function backups(): Promise<string[]> {
  const { stdout } = await runPgcellar(['list-backups', '--minimal', 'main'], { home });
  return stdout.split('\n').filter((id) => id !== '');
}

async function until(title: string, scheduler: RunningProgram, ask: () => boolean | Promise<boolean>): Promise<void> {
  await waitFor(title, ask, { explain: () => scheduler.stdout() + scheduler.stderr() });
}

describe('schedule', () => {
  test('begins with maintenance, and takes backups at their times once there is a schedule', async () => {
    await withSchedule(never);
    await using load = await startWriteLoad(cluster);
    await using scheduler = await spawnPgcellar(['schedule', '--maintenance-every', '1'], { home });
    await until('it is ready', scheduler, () => scheduler.stdout().includes('Next backups: main '));
    await waitForReceiver(home, cluster);
    await cluster.query('SELECT pg_switch_wal()');
    await until('a first segment is archived', scheduler, async () =>
      (await readdir(home.server('main', 'wals')).catch(() => [])).some((name) => /^[0-9A-F]{16}$/.test(name)),
    );
    expect(await backups()).toEqual([]);
    await withSchedule(everySecond);
    scheduler.kill('SIGHUP');
    await until('two backups are taken', scheduler, async () => (await backups()).length >= 2);
    expect(scheduler.stdout()).toContain('Reading the configuration again');
    await withSchedule(never);
    scheduler.kill('SIGHUP');
    await until(
      'the last one ends',
      scheduler,
      () => scheduler.stdout().split('has ended').length === scheduler.stdout().split('Starting the backup').length,
    );
    scheduler.kill('SIGTERM');
    expect(await scheduler.ended).toMatchObject({ exitCode: 0 });
    await load.stop();
  });

  test('of two on one home, one takes each backup', async () => {
    const before = (await backups()).length;
    // a second after the newest backup was begun: both find that they missed it, and begin immediately
    const { stdout } = await runPgcellar(['-f', 'json', 'show-backup', 'main', 'latest'], { home });
    const begun = Number(/"begin_time_timestamp": "(\d+)"/.exec(stdout)?.[1]);
    const missed = new Date((begun + 1) * 1000);
    await withSchedule(
      `${String(missed.getUTCSeconds())} ${String(missed.getUTCMinutes())} ${String(missed.getUTCHours())} * * * Etc/UTC`,
    );
    await using one = await spawnPgcellar(['schedule'], { home });
    await using two = await spawnPgcellar(['schedule'], { home });
    const starts = (): number => `${one.stdout()}${two.stdout()}`.split('Starting the backup').length - 1;
    for (const scheduler of [one, two]) {
      await until('it has planned', scheduler, () => scheduler.stdout().includes('Next backups: main '));
    }
    await until('the backup ends', one, () => `${one.stdout()}${two.stdout()}`.includes('has ended'));
    for (const scheduler of [one, two]) {
      scheduler.kill('SIGTERM');
      expect(await scheduler.ended).toMatchObject({ exitCode: 0 });
    }
    expect(starts()).toBe(1);
    expect(await backups()).toHaveLength(before + 1);
  });

  test('told to stop in the middle of a backup, it ends that first, and catches up what it missed when it comes back', async () => {
    await withSchedule(everySecond, {
      pre_backup_script: `touch ${home.folder}/begun; while [ ! -e ${home.folder}/go ]; do sleep 0.1; done`,
    });
    const scheduler = await spawnPgcellar(['schedule'], { home });
    await until('a backup begins', scheduler, async () => (await readdir(home.folder)).includes('begun'));
    const known = (await backups()).length;
    scheduler.kill('SIGTERM');
    await until('it says what it waits for', scheduler, () =>
      scheduler.stdout().includes('Stopping when this has ended: backup of main'),
    );
    await writeFile(join(home.folder, 'go'), '');
    expect(await scheduler.ended).toMatchObject({ exitCode: 0 });
    expect((await backups()).length).toBeGreaterThanOrEqual(known);
    const newest = (await runPgcellar(['-f', 'json', 'show-backup', 'main', 'latest'], { home })).stdout;
    expect(newest).toMatch(/"status": "(DONE|WAITING_FOR_WALS)"/);
    await rm(join(home.folder, 'go'));
    await waitFor('a second has passed in which no backup began', async () => {
      const list = await runPgcellar(['schedule', '--list'], { home });
      return /^main: \* \* \* \* \* \* Etc\/UTC: missed, a backup begins immediately; then /.test(list.stdout);
    });
  });

  test('tells the service manager that it is ready, that it reads again, and that it stops', async () => {
    await withSchedule(never);
    const folder = await home.makeFolder('systemd');
    const socket = join(folder, 'notify');
    await using listener = listenTo(socket);
    await waitFor('somebody listens', async () => (await readdir(folder)).includes('notify'));
    await using scheduler = await spawnPgcellar(['schedule'], { home, env: { NOTIFY_SOCKET: socket } });
    await until('it is ready', scheduler, () => listener.stdout().includes('READY=1'));
    expect(listener.stdout()).toMatch(/STATUS=next backups: main \d{4}-01-01T/);
    scheduler.kill('SIGHUP');
    await until('it reads again', scheduler, () => /RELOADING=1[^]*MONOTONIC_USEC=\d+[^]*READY=1/.test(listener.stdout()));
    scheduler.kill('SIGTERM');
    expect(await scheduler.ended).toMatchObject({ exitCode: 0 });
    await until('it stops', scheduler, () => listener.stdout().includes('STOPPING=1'));
  });

  test('Barman reads the same configuration: it warns about the key, and goes on', async () => {
    const { exitCode, stdout, stderr } = await runOracle(['list-servers', '--minimal'], { home });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'main\n' });
    expect(stderr).toContain('backup_schedule');
    const shown = await runPgcellar(['show-servers', 'main'], { home, as: 'barman' });
    expect(shown.stdout).not.toContain('backup_schedule'); // what Barman prints has only Barman's keys
  });

  test('a schedule that cannot be kept is told, and keeps no other server from its own', async () => {
    await withSchedule(never);
    await home.writeServer('other', streamingServer(cluster, { backup_schedule: '0 0 30 2 *', slot_name: 'other' }));
    const { stdout, stderr, exitCode } = await runPgcellar(['schedule', '--list'], { home });
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^main: /);
    expect(stderr).toMatch(/^ERROR: server other: backup_schedule = 0 0 30 2 \* is not possible: /m);
    await home.removeServer('other');
  });
});

/** A unix datagram socket that prints what comes; Node has none, Python has. */
function listenTo(path: string): RunningProgram {
  const program = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode(), flush=True)
`;
  return startProgram(['/usr/bin/python3', '-c', program, path], { env: home.env() });
}
