// Whoever takes a connection and then hangs holds up nobody for long, and the first signal ends what waits for him.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isLockHeld } from '../../src/shared/file-lock.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
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

  test('a pg_receivewal that hears no signal is ended with receive-wal', async () => {
    // as libpq is while it waits for an answer
    const folder = await home.makeFolder('deaf');
    const deaf = `#!/bin/sh\n[ "$1" = --version ] && echo 'pg_receivewal (PostgreSQL) 18.0' && exit\ntrap '' INT TERM\necho deaf >&2\nwhile :; do sleep 1; done\n`;
    await writeFile(join(folder, 'pg_receivewal'), deaf, { mode: 0o755 });
    await home.writeServer('deaf', streamingServer(cluster, { slot_name: 'deaf', path_prefix: folder }));
    await using receiver = await spawnPgcellar(['receive-wal', 'deaf'], { home });
    await waitFor('pg_receivewal runs', () => receiver.stdout().includes('deaf: deaf'));
    receiver.kill('SIGTERM');
    await receiver.ended;
    expect(await isLockHeld(lockOf('deaf'))).toBe(false);
    expect((await home.processes()).filter(({ command }) => command.includes('pg_receivewal'))).toEqual([]);
    await home.removeServer('deaf');
  });

  test('a command for all servers reports the others, and one for this server says that it does not answer', async () => {
    const run = async (...words: string[]) => await runPgcellar(words, { home });
    const [status, details, diagnosis, ...refused] = await Promise.all([
      run('status', 'all'),
      run('show-servers', 'all'),
      run('diagnose'),
      run('replication-status', 'hung'),
      run('switch-wal', 'hung'),
      run('receive-wal', '--create-slot', 'hung'),
    ]);
    for (const { stdout, exitCode } of [status, details, diagnosis]) {
      expect(exitCode).toBe(0);
      expect(stdout).toContain('18.'); // of the server that answers
    }
    expect(status.stdout).toMatch(/Server hung:[^]*FAILED trying to get PostgreSQL version/);
    for (const { stdout } of [details, diagnosis]) expect(stdout).toContain('took the connection and does not answer');
    for (const { stderr, exitCode } of refused) {
      expect(exitCode).toBe(1);
      expect(stderr).toContain('PostgreSQL took the connection and does not answer: nothing came for 20 s');
    }
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

  const fakeSsh = async (configured: string): Promise<string> => {
    const folder = join(home.folder, `fake-${configured}`);
    await mkdir(folder);
    await writeFile(
      join(folder, 'ssh'),
      `#!/bin/sh\n[ "$1" = -G ] && echo 'connecttimeout ${configured}' && exit 0\necho "$@" >&2\nexit 255\n`,
      { mode: 0o755 },
    );
    return folder;
  };
  const asked = ['--retry-time', '0', 'nowhere', 'main', '000000010000000000000001'];

  test('ssh is told how long connecting may take', async () => {
    const { stderr } = await helper('wal-restore', [...asked, join(home.folder, 'got')], [await fakeSsh('none')]);
    expect(stderr).toContain('-o ConnectTimeout=20');
  });

  test.skipIf(process.getuid?.() !== 0)('and is not when the operator has said it in its configuration', async () => {
    await home.writeFile('ssh_config', 'Host nowhere\n  ConnectTimeout 7\n');
    const program = await programPath(home, 'pgcellar-wal-restore');
    const script = 'mount --bind "$0" /etc/ssh/ssh_config && exec "$@"';
    const { stderr } = await runProgram(
      ['unshare', '--mount', 'sh', '-c', script, join(home.folder, 'ssh_config'), program, ...asked, join(home.folder, 'got')],
      { env: home.env({ path: [await fakeSsh('7')] }), cwd: home.folder },
    );
    expect(stderr).toContain('get-wal');
    expect(stderr).not.toContain('ConnectTimeout');
  });
});
