// Whoever takes a connection and then hangs holds up nobody for long, and the first signal ends what waits for him.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isLockHeld } from '../../src/shared/file-lock.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startSilentPort, startSwallowingPostgres } from '../helpers/start-silent.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const opened = new Opened();
let cluster: PostgresServer;
let home: TestHome;

const through = (port: number): IniSection => {
  const at = (user: string): string => `host=127.0.0.1 port=${String(port)} user=${user} dbname=postgres`;
  return streamingServer(cluster, { conninfo: at('barman'), streaming_conninfo: at('streaming_barman') });
};
const lockOf = (name: string): string => join(home.path, `.${name}-receive-wal.lock`);

beforeAll(async () => {
  cluster = await opened.add(startCluster({ major: 18 }));
  home = await opened.add(createTestHome({ servers: { well: streamingServer(cluster) } }));
  const hung = await opened.add(startSwallowingPostgres(cluster.port));
  await home.writeServer('hung', through(hung.port));
});
afterAll(() => opened.close());

describe('a server that hangs after the login', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('the first %s ends receive-wal, and its lock is free', async (signal) => {
    await using receiver = await spawnPgcellar(['receive-wal', 'hung'], { home });
    await waitFor('it waits', async () => await isLockHeld(lockOf('hung')));
    receiver.kill(signal);
    await receiver.ended;
    expect(await isLockHeld(lockOf('hung'))).toBe(false);
  });

  test('pg_receivewal that hears nothing any more is ended with receive-wal', async () => {
    // the questions before it are answered: two logins
    await using later = await startSwallowingPostgres(cluster.port, { lets: 2 });
    await home.writeServer('later', { ...through(later.port), slot_name: 'later' });
    await cluster.query("SELECT pg_create_physical_replication_slot('later')");
    await using receiver = await spawnPgcellar(['receive-wal', 'later'], { home });
    await waitFor('pg_receivewal runs', async () =>
      (await home.processes()).some(({ command }) => command.includes('pg_receivewal')),
    );
    receiver.kill('SIGTERM');
    await receiver.ended;
    expect(await isLockHeld(lockOf('later'))).toBe(false);
    expect((await home.processes()).filter(({ command }) => command.includes('pg_receivewal'))).toEqual([]);
    await home.removeServer('later');
  });

  test.each([['status'], ['show-servers'], ['diagnose']])('%s tells of the others, and ends', async (verb) => {
    const words = verb === 'diagnose' ? [verb] : [verb, 'all'];
    const { stdout, exitCode } = await runPgcellar(words, { home });
    expect({ exitCode }).toEqual({ exitCode: 0 });
    expect(stdout).toContain('18.'); // of the server that answers
    if (verb === 'status') expect(stdout).toMatch(/Server hung:[^]*FAILED trying to get PostgreSQL version/);
    else expect(stdout).toContain('took the connection and does not answer');
  });

  test.each([
    ['replication-status', 'hung'],
    ['switch-wal', 'hung'],
    ['receive-wal', '--create-slot', 'hung'],
  ])('%s says that it does not answer', async (...words) => {
    const { stderr, exitCode } = await runPgcellar(words, { home });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('PostgreSQL took the connection and does not answer: nothing came for 20 s');
  });
});

describe('an ssh port that takes connections and says nothing', () => {
  const helper = async (name: 'wal-archive' | 'wal-restore', words: readonly string[], path: readonly string[] = []) =>
    await runPgcellar(words, { home, as: `pgcellar-${name}`, path });

  test('both helpers end as without a connection', async () => {
    await using silent = await startSilentPort();
    const place = ['--port', String(silent.port), '-U', 'nobody', '127.0.0.1', 'main'];
    const wal = join(home.folder, '000000010000000000000001');
    await writeFile(wal, 'x');
    const [sent, fetched, tried] = await Promise.all([
      helper('wal-archive', [...place, wal]),
      helper('wal-restore', [...place, '000000010000000000000001', join(home.folder, 'got')]),
      helper('wal-restore', ['--test', ...place, 'x', 'y']),
    ]);
    expect(sent).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining('SSH connection to 127.0.0.1 failed') as string,
    });
    expect(fetched).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('cannot reach 127.0.0.1') as string });
    expect(tried.exitCode).not.toBe(0);
  });

  test('ssh is told how long connecting may take', async () => {
    const folder = join(home.folder, 'fake');
    await mkdir(folder);
    const fake = join(folder, 'ssh');
    await writeFile(fake, `#!/bin/sh\n[ "$1" = -G ] && echo 'connecttimeout none' && exit 0\necho "$@" >&2\nexit 255\n`, {
      mode: 0o755,
    });
    const words = ['--retry-time', '0', 'nowhere', 'main', '000000010000000000000001', join(home.folder, 'got')];
    const { stderr } = await helper('wal-restore', words, [folder]);
    expect(stderr).toContain('-o ConnectTimeout=20');
  });
});
