import { once } from 'node:events';
import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OperatorError } from '../../src/shared/operator-error.ts';
import type { Host } from '../../src/transport/hosts/host.ts';
import { localHost } from '../../src/transport/hosts/local-host.ts';
import { remoteHost } from '../../src/transport/hosts/remote-host.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { environment, writeScript } from '../unit/transport/scripts.ts';

let sshd: Sshd;
let folder: TemporaryFolder;
beforeAll(async () => {
  sshd = await startSshd();
  folder = await createTemporaryFolder('ho');
});
afterAll(async () => {
  await folder[Symbol.asyncDispose]();
  await sshd[Symbol.asyncDispose]();
});

const hosts: Readonly<Record<string, () => Host | Promise<Host>>> = {
  'this host': () => localHost(environment),
  'another host, by our own client': () => remoteHost({ sshCommand: sshd.sshCommand, environment }),
  'another host, by the program ssh': async () => {
    const wrapper = await writeScript(folder.path, 'reach', `exec ${sshd.sshCommand} "$@"`);
    return remoteHost({ sshCommand: wrapper, environment });
  },
};

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => 'nothing was thrown',
    (reason: unknown) => reason,
  );
  return error instanceof OperatorError ? error.code : String(error);
}

describe.each(Object.entries(hosts))('%s', (name, open) => {
  let host: Host;
  let place: string;
  beforeAll(async () => {
    host = await open();
    place = join(folder.path, `a "place" of $HOME's ${name} ä`);
    await mkdir(place);
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  test('runs a program with its words as they are', async () => {
    const words = ['a b', "it's", '$HOME', '*', 'ä', '', '\\', 'two\nlines'];
    const { exitCode, stdout } = await host.run(['printf', '[%s]', ...words]);
    expect([exitCode, stdout]).toEqual([0, words.map((word) => `[${word}]`).join('')]);
  });

  test('tells exit code, standard error and what a program reads', async () => {
    expect(await host.run(['sh', '-c', 'cat; echo oops >&2; exit 7'], { input: 'in' })).toMatchObject({
      exitCode: 7,
      stdout: 'in',
      stderr: 'oops\n',
    });
    expect((await host.run(['no-such-program'])).exitCode).toBe(127);
  });

  test('ends a program when it is told to', async () => {
    const stop = new AbortController();
    const running = host.run(['sh', '-c', 'while echo still here; do sleep 0.1; done'], { signal: stop.signal });
    setTimeout(() => {
      stop.abort();
    }, 300);
    expect((await running).exitCode).not.toBe(0);
  });

  test('runs many programs concurrently', async () => {
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => host.run(['echo', String(index)])));
    expect(results.map(({ stdout }) => stdout)).toEqual(Array.from({ length: 20 }, (_, index) => `${String(index)}\n`));
  });

  test('writes and reads a file of any bytes, with its mode', async () => {
    const path = join(place, 'deep', 'a file');
    const content = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256));
    await host.writeFile(path, content, { mode: 0o640 });
    const found = await host.readFile(path);
    expect(found?.content.equals(content)).toBe(true);
    expect(found?.mode).toBe(0o640);
    expect(Math.floor((found?.modifiedAt.getTime() ?? 0) / 1000)).toBe(Math.floor((await stat(path)).mtimeMs / 1000));
    await host.writeFile(path, 'shorter', { mode: 0o600 });
    expect(await readFile(path, 'utf8')).toBe('shorter');
    expect(await host.list(join(place, 'deep'))).toEqual(['a file']);
  });

  test('follows links to files', async () => {
    await writeFile(join(place, 'real'), 'text');
    await symlink('real', join(place, 'link'));
    expect((await host.readFile(join(place, 'link')))?.content.toString()).toBe('text');
  });

  test('has nothing to say about what is missing', async () => {
    expect(await host.readFile(join(place, 'missing'))).toBeUndefined();
    expect(await host.list(join(place, 'missing'))).toBeUndefined();
  });

  test('makes folders with their parents, lists hidden names too', async () => {
    await host.makeFolder(join(place, 'up', 'down'), { mode: 0o700 });
    await host.makeFolder(join(place, 'up', 'down'), { mode: 0o700 });
    await writeFile(join(place, 'up', '.hidden'), '');
    await writeFile(join(place, 'up', 'new\nline'), '');
    expect(await host.list(join(place, 'up'))).toEqual(['.hidden', 'down', 'new\nline']);
    expect(((await stat(join(place, 'up', 'down'))).mode & 0o777).toString(8)).toBe('700');
  });

  test('knows the free space', async () => {
    expect(await host.freeBytes(place)).toBeGreaterThan(1024 * 1024);
    expect(await codeOf(host.freeBytes(join(place, 'missing')))).toBe('file-unreadable');
  });

  test('refuses what cannot be read or written', async () => {
    await writeFile(join(place, 'in the way'), '');
    expect(await codeOf(host.readFile(place))).toBe('file-unreadable');
    expect(await codeOf(host.writeFile(join(place, 'in the way', 'x'), '', { mode: 0o600 }))).toBe('file-unwritable');
    expect(await codeOf(host.makeFolder(join(place, 'in the way', 'x'), { mode: 0o700 }))).toBe('file-unwritable');
  });
});

describe('our own ssh client', () => {
  const optionless = (): string => sshd.ssh.replace(/ -o UserKnownHostsFile=\S+ -o StrictHostKeyChecking=yes/, '');
  const withKnownHosts = (file: string, strict: string): string =>
    `${optionless()} -o UserKnownHostsFile=${file} -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=${strict} ${sshd.host}`;

  test('uses one connection for everything', async () => {
    const logins = async (): Promise<number> => (await sshd.log()).split('Accepted publickey').length;
    const before = await logins();
    await using host = remoteHost({ sshCommand: sshd.sshCommand, environment });
    await Promise.all([1, 2, 3, 4, 5].map(() => host.run(['true'])));
    await host.list('/');
    expect((await logins()) - before).toBe(1);
  });

  test.each([1, 2])('runs many programs where the server allows a connection %s concurrently', async (count) => {
    await using narrow = await startSshd({ settings: { MaxSessions: String(count) } });
    await using host = remoteHost({ sshCommand: narrow.sshCommand, environment });
    for (const from of [0, 20]) {
      const words = Array.from({ length: 20 }, (_, index) => String(from + index));
      const results = await Promise.all(words.map(async (word) => await host.run(['echo', word])));
      expect(results.map(({ stdout }) => stdout.trim())).toEqual(words);
    }
    expect((await narrow.log()).split('Accepted publickey')).toHaveLength(2);
  });

  test('lets go of a host that has gone silent', async () => {
    const sockets: Socket[] = [];
    const relay = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ port: sshd.port, host: '127.0.0.1', allowHalfOpen: true });
      sockets.push(near, far);
      near.pipe(far).pipe(near);
    });
    relay.listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const port = `-p ${String((relay.address() as AddressInfo).port)} -o HostKeyAlias=[127.0.0.1]:${String(sshd.port)}`;
    const host = remoteHost({ sshCommand: sshd.sshCommand.replace(/-p \d+/, port), environment });
    const open = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    try {
      await host.run(['true']);
      for (const socket of sockets) socket.unpipe().pause();
      const before = open();
      await host[Symbol.asyncDispose]();
      await waitFor('the connection is closed', () => open() < before);
    } finally {
      for (const socket of sockets) socket.destroy();
      relay.close();
    }
  });

  test('tells that the server allows no programs at all', async () => {
    await using closed = await startSshd({ settings: { MaxSessions: '0' } });
    await using host = remoteHost({ sshCommand: closed.sshCommand, environment });
    await expect(host.run(['true'])).rejects.toMatchObject({
      code: 'ssh-failed',
      message: expect.stringContaining('open failed') as string,
    });
  });

  test('logs in again when the connection broke between two commands', async () => {
    await using host = remoteHost({ sshCommand: sshd.sshCommand, environment });
    expect(await codeOf(host.run(['sh', '-c', 'kill "$PPID"; while echo still here; do sleep 0.1; done']))).toBe('ssh-failed');
    expect((await host.run(['echo', 'there'])).stdout).toBe('there\n');
  });

  test('logs in again when the connection was reset while nothing ran, and says so of what ran', async () => {
    const between: Socket[] = [];
    const proxy = createServer((socket) => {
      const onward = connect(sshd.port, '127.0.0.1');
      between.push(socket);
      socket.on('close', () => onward.destroy());
      socket.pipe(onward).pipe(socket);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    const words = `-p ${String(port)} -o HostKeyAlias=[127.0.0.1]:${String(sshd.port)}`;
    await using host = remoteHost({ sshCommand: sshd.sshCommand.replace(`-p ${String(sshd.port)}`, words), environment });
    try {
      expect((await host.run(['echo', 'there'])).stdout).toBe('there\n');
      between.pop()?.resetAndDestroy();
      await waitFor('the reset is noticed', async () => (await codeOf(host.run(['true']))) === 'nothing was thrown');
      const running = host.run(['sh', '-c', 'while echo still here; do sleep 0.1; done'], {
        onStdout: () => {
          between.pop()?.resetAndDestroy();
        },
      });
      await expect(running).rejects.toMatchObject({
        code: 'ssh-failed',
        message: expect.stringMatching(/ECONNRESET/) as string,
      });
    } finally {
      proxy.close();
    }
  });

  test('refuses a host that is not known, and one with another key', async () => {
    const file = join(folder.path, 'known');
    await writeFile(file, '');
    await using unknown = remoteHost({ sshCommand: withKnownHosts(file, 'yes'), environment });
    await expect(unknown.run(['true'])).rejects.toThrow(/its host key is not known/);
    const [name = '', type = '', key = ''] = (await readFile(sshd.knownHostsFile, 'utf8')).split(/\s+/);
    const other = Buffer.from(key, 'base64');
    other[other.length - 1] = (other.at(-1) ?? 0) ^ 1;
    await writeFile(file, `${name} ${type} ${other.toString('base64')}\n`);
    await using changed = remoteHost({ sshCommand: withKnownHosts(file, 'accept-new'), environment });
    await expect(changed.run(['true'])).rejects.toThrow(/its host key is another one/);
  });

  test('notes a new host where it may, as the program ssh does', async () => {
    const file = join(folder.path, 'noted');
    await using host = remoteHost({ sshCommand: withKnownHosts(file, 'accept-new'), environment });
    expect((await host.run(['true'])).exitCode).toBe(0);
    await using strict = remoteHost({ sshCommand: withKnownHosts(file, 'yes'), environment });
    expect((await strict.run(['true'])).exitCode).toBe(0);
    expect(await readFile(file, 'utf8')).toBe((await readFile(sshd.knownHostsFile, 'utf8')).replace(/ test\n?$/, '\n'));
  });

  test('knows hosts whose names are hashed', async () => {
    const file = join(folder.path, 'hashed');
    await using host = remoteHost({
      sshCommand: `${withKnownHosts(file, 'accept-new')} -o HashKnownHosts=yes`,
      environment,
    });
    expect((await host.run(['true'])).exitCode).toBe(0);
    expect(await readFile(file, 'utf8')).toMatch(/^\|1\|/);
    await using strict = remoteHost({ sshCommand: withKnownHosts(file, 'yes'), environment });
    expect((await strict.run(['true'])).exitCode).toBe(0);
  });

  test('leaves a proxy command to the program', async () => {
    await using host = remoteHost({
      sshCommand: `${sshd.ssh} -o ProxyCommand='sh -c "exec bash -c \\"exec 3<>/dev/tcp/127.0.0.1/${String(sshd.port)}; cat <&3 & cat >&3\\""' ${sshd.host}`,
      environment,
    });
    expect((await host.run(['echo', 'there'])).stdout).toBe('there\n');
  });

  test('says what is wrong when nobody listens or no key is accepted', async () => {
    await using silent = remoteHost({
      sshCommand: `ssh -F none -p 1 -o UserKnownHostsFile=/dev/null ${sshd.host}`,
      environment,
    });
    expect(await codeOf(silent.run(['true']))).toBe('ssh-failed');
    const stranger = sshd.sshCommand.replace(/-i \S+/, '-i /dev/null');
    await using refused = remoteHost({ sshCommand: stranger, environment });
    await expect(refused.run(['true'])).rejects.toThrow(/Permission denied/);
  });
});
