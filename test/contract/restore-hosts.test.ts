// What a restore asks of the host that it works on: this one, and another one through a real sshd.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { localRestoreHost } from '../../src/restore/host/local-restore-host.ts';
import { remoteRestoreHost } from '../../src/restore/host/remote-restore-host.ts';
import type { RestoreHost } from '../../src/restore/host/restore-host.ts';
import { isAlive } from '../../src/shared/is-alive.ts';
import { remoteHost } from '../../src/transport/hosts/remote-host.ts';
import { requirePostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { environment } from '../unit/transport/scripts.ts';

const opened = new Opened();
let sshCommand: string;
beforeAll(async () => {
  const combiner = join(requirePostgres(18).clientsDir, 'pg_combinebackup');
  ({ sshCommand } = await opened.add(startSshd({ programs: { pg_combinebackup: combiner } })));
});
afterAll(() => opened.close());

const places: Readonly<Record<string, (signal: AbortSignal) => Promise<RestoreHost>>> = {
  'this host': async (signal) => {
    const programPath = `${requirePostgres(18).clientsDir}:${environment['PATH']}`;
    return await Promise.resolve(localRestoreHost({ programPath, environment, signal }));
  },
  'another host': async (signal) =>
    remoteRestoreHost(await opened.add(Promise.resolve(remoteHost({ sshCommand, environment }))), signal),
};

describe.each(Object.entries(places))('%s', (_, open) => {
  let restoreHost: RestoreHost;
  let folder: string;
  const aborting = new AbortController();
  beforeAll(async () => {
    restoreHost = await open(new AbortController().signal);
    folder = join((await opened.add(createTemporaryFolder('pc'))).path, "a 'place' of $HOME ä");
    await mkdir(folder);
  });

  test('moves files into a folder', async () => {
    for (const name of ['a b', '-c', '.d']) await writeFile(join(folder, name), name);
    await restoreHost.makeFolder(join(folder, 'into'));
    await restoreHost.moveInto(
      join(folder, 'into'),
      ['a b', '-c', '.d'].map((name) => join(folder, name)),
    );
    expect((await readdir(join(folder, 'into'))).toSorted()).toEqual(['-c', '.d', 'a b']);
    expect((await stat(join(folder, 'into'))).mode & 0o777).toBe(0o700);
  });

  test('tells the sizes of all files below a folder, not of links', async () => {
    await mkdir(join(folder, 'sizes/deep'), { recursive: true });
    await writeFile(join(folder, 'sizes/one'), 'x');
    await writeFile(join(folder, 'sizes/deep/two words'), 'xy');
    await symlink('one', join(folder, 'sizes/link'));
    expect([...(await restoreHost.sizesBelow(join(folder, 'sizes')))].toSorted()).toEqual([
      ['deep/two words', 2],
      ['one', 1],
    ]);
    expect((await restoreHost.sizesBelow(join(folder, 'nowhere'))).size).toBe(0);
  });

  test('says where may be written', async () => {
    expect(await restoreHost.isWritable(join(folder, 'not/yet/there'))).toBe(true);
    expect(await restoreHost.isWritable('/proc/1/nothing')).toBe(false);
  });

  test('sees who listens on a socket and on a port', async () => {
    for (const where of [{ path: join(folder, 'socket') }, { port: 0, host: '127.0.0.1' }]) {
      const server = createServer();
      server.listen(where);
      await once(server, 'listening');
      const address = server.address();
      const ask = async (): Promise<boolean> =>
        typeof address === 'string' || address === null
          ? await restoreHost.listensOn(join(folder, 'socket'))
          : await restoreHost.listensOnPort(address.port, '*');
      expect(await ask()).toBe(true);
      await new Promise((resolve) => server.close(resolve));
      expect(await ask()).toBe(false);
    }
  });

  test('finds programs, and those of PostgreSQL by their major version', async () => {
    expect(await restoreHost.requireProgram('tar', 'a test')).toMatch(/\/tar$/);
    await expect(restoreHost.requireProgram('no-such-program', 'a test')).rejects.toMatchObject({ code: 'program-missing' });
    expect(await restoreHost.requireClient('pg_combinebackup', 180_000)).toMatch(/\/pg_combinebackup$/);
    await expect(restoreHost.requireClient('pg_combinebackup', 190_000)).rejects.toMatchObject({
      code: 'program-missing',
      message: expect.stringContaining('PostgreSQL 19') as string,
    });
  });

  test('syncs, and tells immediately how much its host has still to write', async () => {
    await writeFile(join(folder, 'to sync'), Buffer.alloc(1e6));
    const told: number[] = [];
    await restoreHost.sync([folder, join(folder, 'to sync')], (bytes) => told.push(bytes));
    for (const bytes of told) expect(bytes % 1024).toBe(0);
    expect(told.length).toBeGreaterThan(0);
    await expect(restoreHost.sync([join(folder, 'nowhere')])).rejects.toMatchObject({
      message: expect.stringContaining('nowhere') as string,
    });
  });

  test('runs a program with its words as they are, and tells what it says and how it ends', async () => {
    const file = join(folder, 'words');
    const argv = ['sh', '-c', 'printf "[%s]" "$@" > "$0"; echo oops >&2; exit 7', file, 'a b', "it's", '*'];
    expect(await restoreHost.run(argv)).toMatchObject({ exitCode: 7, stderr: expect.stringContaining('oops') as string, argv });
    expect(await readFile(file, 'utf8')).toBe("[a b][it's][*]");
  });

  test('tells meanwhile how many bytes the program has written', async () => {
    const [file, go] = [join(folder, 'zeros'), join(folder, 'go')];
    let told = 0;
    const code = `const fs = require('node:fs');
      fs.writeFileSync(process.argv[1], Buffer.alloc(3e6));
      const timer = setInterval(() => { if (fs.existsSync(process.argv[2])) clearInterval(timer); }, 20);`;
    const running = restoreHost.run([process.execPath, '-e', code, file, go], (bytes) => {
      told = bytes;
    });
    await waitFor('it was told', () => told >= 3_000_000);
    await writeFile(go, '');
    expect((await running).exitCode).toBe(0);
  });

  test('ends a program when it is told to stop', async () => {
    const pidFile = join(folder, 'pid');
    const stopped = await open(aborting.signal);
    const running = stopped.run(['sh', '-c', 'echo $$ > "$0"; exec sleep 600', pidFile]);
    await waitFor('it runs', async () => (await readFile(pidFile, 'utf8').catch(() => '')) !== '');
    const pid = Number(await readFile(pidFile, 'utf8'));
    aborting.abort();
    await expect(running).rejects.toMatchObject({ code: 'interrupted' });
    await waitFor('it has ended', () => !isAlive(pid));
  });
});

test('a program on another host ends when the connection is lost', async () => {
  const folder = await opened.add(createTemporaryFolder('pc'));
  const pidFile = join(folder.path, 'pid');
  const script = `
    import { remoteHost } from '${join(import.meta.dirname, '../../src/transport/hosts/remote-host.ts')}';
    import { remoteRestoreHost } from '${join(import.meta.dirname, '../../src/restore/host/remote-restore-host.ts')}';
    const host = remoteHost({ sshCommand: ${JSON.stringify(sshCommand)}, environment: process.env });
    await remoteRestoreHost(host, new AbortController().signal).run(['sh', '-c', 'echo $$ > "$0"; exec sleep 600', ${JSON.stringify(pidFile)}]);`;
  await writeFile(join(folder.path, 'run.mts'), script);
  const child = spawn(process.execPath, ['--import', 'tsx', join(folder.path, 'run.mts')], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: 'ignore',
  });
  await waitFor('it runs', async () => (await readFile(pidFile, 'utf8').catch(() => '')) !== '');
  const pid = Number(await readFile(pidFile, 'utf8'));
  child.kill('SIGKILL');
  await waitFor('it has ended', () => !isAlive(pid));
});
