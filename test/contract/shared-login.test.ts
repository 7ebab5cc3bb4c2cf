import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { splitWords } from '../../src/shared/shell-words.ts';
import { remoteHost } from '../../src/transport/hosts/remote-host.ts';
import { runProgram as runOurs } from '../../src/transport/programs/run-program.ts';
import type { SharedLogin } from '../../src/transport/ssh/shared-login.ts';
import { Opened } from '../helpers/opened.ts';
import { runProgram } from '../helpers/run-program.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { environment, writeScript } from '../unit/transport/scripts.ts';

const opened = new Opened();
const { signal } = new AbortController();
let sshd: Sshd;
let folder: TemporaryFolder;
/** Before the temporary files of a test: what a shared login makes lies in this folder of ours. */
let usualFolder: string | undefined;
beforeAll(async () => {
  sshd = await opened.add(startSshd());
  folder = await opened.add(createTemporaryFolder('sl'));
  usualFolder = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder.path;
});
afterAll(async () => {
  if (usualFolder === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = usualFolder;
  await opened.close();
});

async function loginsDuring(work: () => Promise<void>): Promise<number> {
  const before = await sshd.logins();
  await work();
  return (await sshd.logins()) - before;
}

/** The login of a host that is reached by that command, for as long as `work` takes. */
async function withLogin(sshCommand: string, work: (login: SharedLogin) => Promise<void>): Promise<void> {
  await using host = remoteHost({ sshCommand, environment });
  if (host.login === undefined) throw new Error('another host has a login');
  await work(host.login);
}

async function runThere(sshCommand: string, ...words: readonly string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram([...splitWords(sshCommand), ...words], { env: environment });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout;
}

async function leftFolders(): Promise<string[]> {
  return (await readdir(folder.path)).filter((name) => name.startsWith('pgcellar-ssh-'));
}

test('programs that run one after the other share one login, which ends with the host and leaves nothing', async () => {
  const count = await loginsDuring(async () => {
    await withLogin(sshd.sshCommand, async (login) => {
      login.begin();
      for (const word of ['one', 'two', 'three']) {
        using lent = await login.lend(signal);
        expect(await runThere(lent.sshCommand, 'echo', word)).toBe(`${word}\n`);
      }
      expect(await leftFolders()).toHaveLength(1);
    });
  });
  expect(count).toBe(1);
  expect(await leftFolders()).toEqual([]);
});

test('a program that runs at the same time as another one has a login of its own', async () => {
  const count = await loginsDuring(async () => {
    await withLogin(sshd.sshCommand, async (login) => {
      using first = await login.lend(signal);
      using second = await login.lend(signal);
      expect(first.sshCommand).toContain('ControlPath');
      expect(second.sshCommand).not.toContain('ControlPath');
      await Promise.all([runThere(first.sshCommand, 'sleep', '0.1'), runThere(second.sshCommand, 'true')]);
    });
  });
  expect(count).toBe(2);
});

test('a login that was lost is made anew for the next program', async () => {
  await using restarted = await startSshd();
  await withLogin(restarted.sshCommand, async (login) => {
    const before = await login.lend(signal);
    await runThere(before.sshCommand, 'true');
    before[Symbol.dispose]();
    await restarted.stop();
    await restarted.restart();
    const after = await waitFor('the loss is known', async () => {
      const lent = await login.lend(signal);
      lent[Symbol.dispose]();
      return lent.sshCommand !== before.sshCommand && lent.sshCommand;
    });
    expect(after).toContain('ControlPath');
    await runThere(after, 'true');
  });
  expect(await leftFolders()).toEqual([]);
});

test.each([
  { title: 'whose logins the operator shares', options: () => ['-o', `ControlPath=${join(folder.path, 'own')}`] },
  { title: 'whose logins the operator wants to be kept', options: () => ['-o', 'ControlPersist=60'] },
  { title: 'whose logins the operator wants to be kept, in one word', options: () => ['-oControlMaster=auto'] },
  { title: 'for whom the operator asks for a shared login by a flag', options: () => ['-4M'] },
  { title: 'whose ssh would leave us by itself', options: () => ['-o', 'ForkAfterAuthentication=yes'] },
  { title: 'that nobody can be logged in to', options: () => ['-o', 'IdentityFile=/nowhere', '-l', 'nobody'] },
  { title: 'whose ssh refuses its options', options: () => ['-o', 'Nonsense=yes'] },
])('a program that needs a host $title logs in for itself', async ({ options }) => {
  const sshCommand = `${sshd.ssh.replace(/-i \S+/, '')} ${options().join(' ')} ${sshd.host}`;
  await withLogin(sshCommand, async (login) => {
    using lent = await login.lend(signal);
    expect(lent.sshCommand.startsWith(sshCommand)).toBe(true);
    expect(lent.sshCommand.slice(sshCommand.length)).not.toContain('ControlPath');
  });
  expect(await leftFolders()).toEqual([]);
});

test('an option whose name begins with the letter of a flag keeps nobody from sharing', async () => {
  await withLogin(`${sshd.ssh} -oServerAliveInterval=5 ${sshd.host}`, async (login) => {
    using lent = await login.lend(signal);
    expect(lent.sshCommand).toContain('ControlPath');
  });
});

/** Passes connections on to our sshd, until it is told to be silent. */
async function startRelay(): Promise<AsyncDisposable & { readonly port: number; silence(): void }> {
  const sockets: Socket[] = [];
  const relay = createServer((near) => {
    const far = connect(sshd.port, '127.0.0.1');
    sockets.push(near, far);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => undefined); // whoever is at its end has been killed
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  return {
    port: (relay.address() as AddressInfo).port,
    silence: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      relay.close();
      await once(relay, 'close');
    },
  };
}

test('a program that is told to end while the host is silent ends, and the login with it', async () => {
  await using relay = await startRelay();
  const known = `-o HostKeyAlias=[127.0.0.1]:${String(sshd.port)}`;
  const sshCommand = `${sshd.ssh.replace(/-p \d+/, `-p ${String(relay.port)}`)} ${known} -o ServerAliveInterval=1000 ${sshd.host}`;
  await withLogin(sshCommand, async (login) => {
    const stop = new AbortController();
    using lent = await login.lend(stop.signal);
    expect(lent.sshCommand).toContain('ControlPath');
    const { exitCode } = await runOurs([...splitWords(lent.sshCommand), 'echo started; exec sleep 5'], {
      environment,
      signal: stop.signal,
      onStdoutLine: () => {
        relay.silence();
        stop.abort();
      },
    });
    expect(exitCode).not.toBe(0);
  });
  expect(await leftFolders()).toEqual([]);
});

test('a process that a proxy command leaves running delays nothing at the end', async () => {
  const proxy = await writeScript(
    folder.path,
    'proxy',
    `sleep 30 & echo $! > ${join(folder.path, 'left')}; exec ${sshd.ssh} -W 127.0.0.1:${String(sshd.port)} ${sshd.host}`,
  );
  await withLogin(`${sshd.ssh} -o ProxyCommand=${proxy} ${sshd.host}`, async (login) => {
    using lent = await login.lend(signal);
    expect(lent.sshCommand).toContain('ControlPath');
  });
  process.kill(Number(await readFile(join(folder.path, 'left'), 'utf8'))); // throws when it is not there
  expect(await leftFolders()).toEqual([]);
});

test('a program that is reached by a wrapper logs in for itself', async () => {
  const wrapper = await writeScript(folder.path, 'reach', `exec ${sshd.sshCommand} "$@"`);
  await withLogin(wrapper, async (login) => {
    using lent = await login.lend(signal);
    expect(lent.sshCommand).toBe(wrapper);
  });
});

test('where no socket can be, as in a folder with a long name, programs log in for themselves', async () => {
  const long = join(folder.path, 'x'.repeat(80));
  await mkdir(long);
  process.env['TMPDIR'] = long;
  try {
    await withLogin(sshd.sshCommand, async (login) => {
      using lent = await login.lend(signal);
      expect(lent.sshCommand).not.toContain('ControlPath');
    });
    process.env['TMPDIR'] = join(folder.path, 'none');
    await withLogin(sshd.sshCommand, async (login) => {
      using lent = await login.lend(signal);
      expect(lent.sshCommand).not.toContain('ControlPath');
    });
  } finally {
    process.env['TMPDIR'] = folder.path;
  }
  expect(await readdir(long)).toEqual([]);
});

test('waiting for a host that accepts a connection and says nothing ends when it is told to, and nothing stays behind', async () => {
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const stop = new AbortController();
  try {
    await withLogin(`ssh -F none -p ${String(port)} 127.0.0.1`, async (login) => {
      const connected = once(silent, 'connection');
      const lending = login.lend(stop.signal);
      await connected;
      stop.abort();
      await expect(lending).rejects.toMatchObject({ code: 'interrupted' });
    });
  } finally {
    silent.close();
  }
  expect(await leftFolders()).toEqual([]);
});

test('a name for the folder that a shell would take apart is not used', async () => {
  const odd = join(folder.path, 'a b');
  await mkdir(odd);
  await writeFile(join(odd, 'other'), '');
  process.env['TMPDIR'] = odd;
  try {
    await withLogin(sshd.sshCommand, async (login) => {
      using lent = await login.lend(signal);
      await runThere(lent.sshCommand, 'true');
    });
  } finally {
    process.env['TMPDIR'] = folder.path;
  }
  expect(await readdir(odd)).toEqual(['other']);
});
