// An sshd of our own on the loopback, with its own host key: for ssh_command, remote hosts, and programs called through ssh.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { serverUser } from '../machine/server-user.mjs';
import { descendantsOf } from './descendants-of.ts';
import { findFreePort } from './free-port.ts';
import { inheritedMarks } from './marked-processes.ts';
import { runProgram } from './run-program.ts';
import { createTemporaryFolder } from './temporary-folder.ts';
import { waitFor } from './wait-for.ts';

interface SshdOptions {
  /** Who connects: the owner of the client's key; ourselves unless PostgreSQL's user has to. */
  readonly client?: 'self' | 'server';
  /** Who is logged in as; ourselves by default. Another user than ourselves only when we are root. */
  readonly user?: string;
  /** Program name to its path: what a session finds first in its PATH. */
  readonly programs?: Readonly<Record<string, string>>;
  /** More for the environment of a session. */
  readonly env?: Readonly<Record<string, string>>;
  /** Keywords of sshd_config(5) to what they are instead of the value they have otherwise. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Sshd extends AsyncDisposable {
  readonly port: number;
  readonly user: string;
  /** `user@127.0.0.1`. */
  readonly host: string;
  /** Everything of `ssh_command` but the host: `ssh -p ... -i ...`. */
  readonly ssh: string;
  /** A whole `ssh_command`. */
  readonly sshCommand: string;
  readonly identityFile: string;
  readonly knownHostsFile: string;
  log(): Promise<string>;
  /** How often somebody has logged in with a key. */
  logins(): Promise<number>;
  /** Ends it with all its sessions, as a reboot of its host would. */
  stop(): Promise<void>;
  /** Starts it again, on the same port and with the same keys. */
  restart(): Promise<void>;
}

/** bash reads the start-up files of whoever runs the tests for a command of sshd, unless another shell has done that before it. */
const quickShell = { SHLVL: '1' };

export async function startSshd({
  client = 'self',
  user = userInfo().username,
  programs = {},
  env = {},
  settings = {},
}: SshdOptions = {}): Promise<Sshd> {
  const folder = await createTemporaryFolder('sd');
  const clientFolder = await createTemporaryFolder('sc', { owner: client });
  const dispose = async (): Promise<void> => {
    await clientFolder[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
  try {
    const keys = await makeKeys({ serverFolder: folder.path, clientFolder: clientFolder.path, client });
    const path = await linkPrograms(folder.path, programs);
    const port = await findFreePort();
    const options = {
      folder: folder.path,
      user,
      port,
      env: { ...quickShell, PATH: path, ...inheritedMarks(), ...env },
      settings,
    };
    let child = await start(options);
    const knownHostsFile = join(clientFolder.path, 'known_hosts');
    await writeFile(knownHostsFile, `[127.0.0.1]:${String(port)} ${keys.hostKey}`);
    const log = async (): Promise<string> => await readFile(join(folder.path, 'log'), 'utf8');
    const ssh = `ssh -F none -p ${String(port)} -i ${keys.identityFile} -o IdentitiesOnly=yes -o UserKnownHostsFile=${knownHostsFile} -o StrictHostKeyChecking=yes -o BatchMode=yes`;
    return {
      port,
      user,
      host: `${user}@127.0.0.1`,
      ssh,
      sshCommand: `${ssh} ${user}@127.0.0.1`,
      identityFile: keys.identityFile,
      knownHostsFile,
      log,
      logins: async () => (await log()).split('\n').filter((line) => line.includes('Accepted publickey')).length,
      stop: async () => {
        const sessions = await descendantsOf(child.pid ?? 0);
        await end(child);
        for (const pid of sessions) killIfThere(pid);
      },
      restart: async () => {
        child = await start(options);
      },
      [Symbol.asyncDispose]: async () => {
        await end(child);
        await dispose();
      },
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

interface KeyPlaces {
  readonly serverFolder: string;
  readonly clientFolder: string;
  readonly client: 'self' | 'server';
}

async function makeKeys({ serverFolder, clientFolder, client }: KeyPlaces): Promise<{ hostKey: string; identityFile: string }> {
  const identityFile = join(clientFolder, 'identity');
  await generateKey(join(serverFolder, 'host'));
  await generateKey(identityFile);
  await writeFile(join(serverFolder, 'authorized_keys'), await readFile(`${identityFile}.pub`), { mode: 0o644 });
  const owner = client === 'server' ? serverUser() : undefined;
  if (owner !== undefined) await mustRun(['chown', '-R', `${String(owner.uid)}:${String(owner.gid)}`, clientFolder]);
  return { hostKey: await readFile(join(serverFolder, 'host.pub'), 'utf8'), identityFile };
}

async function generateKey(path: string): Promise<void> {
  await mustRun(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', path]);
  await chmod(path, 0o600);
}

async function linkPrograms(folder: string, programs: Readonly<Record<string, string>>): Promise<string> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  for (const [name, target] of Object.entries(programs)) await symlink(target, join(bin, name));
  return [bin, join(process.execPath, '..'), '/usr/local/bin', '/usr/bin', '/bin'].join(':');
}

interface DaemonOptions {
  readonly folder: string;
  readonly user: string;
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, string>>;
}

async function start({ user, ...options }: DaemonOptions): Promise<ChildProcess> {
  const { folder, port } = options;
  const isRoot = process.getuid?.() === 0;
  if (isRoot) await mkdir('/run/sshd', { recursive: true, mode: 0o755 }); // sshd of root insists on it
  const config = join(folder, 'config');
  await writeFile(config, configText({ ...options, needsPam: await isLocked(user) }));
  await using log = await open(join(folder, 'log'), 'a');
  const argv = ['--pdeathsig=TERM', '--', '/usr/sbin/sshd', '-D', '-e', '-f', config];
  const child = spawn('setpriv', argv, { stdio: ['ignore', log.fd, log.fd] });
  await waitFor('sshd listens', async () => child.exitCode !== null || (await listens(port)), {
    explain: async () => await readFile(join(folder, 'log'), 'utf8'),
  });
  if (child.exitCode !== null) throw new Error(`sshd ended:\n${await readFile(join(folder, 'log'), 'utf8')}`);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // its session ended with sshd
  }
}

/** Without PAM sshd refuses an account whose password is locked, as that of `postgres` is; only root's sshd can ask PAM. */
async function isLocked(user: string): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const accounts = (await readFile('/etc/shadow', 'utf8')).split('\n').map((line) => line.split(':'));
  return accounts.some(([name, password = '']) => name === user && password.startsWith('!'));
}

interface ConfigFacts extends Omit<DaemonOptions, 'user'> {
  readonly needsPam: boolean;
}

function configText({ folder, port, env, settings, needsPam }: ConfigFacts): string {
  const variables = Object.entries(env).map(([name, value]) => `"${name}=${value}"`);
  return [
    ...Object.entries(settings).map(([keyword, value]) => `${keyword} ${value}`), // the first of a name counts
    `Port ${String(port)}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'host')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    `PidFile ${join(folder, 'pid')}`,
    'StrictModes no',
    `UsePAM ${needsPam ? 'yes' : 'no'}`,
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'MaxStartups 100',
    'MaxSessions 100',
    'Subsystem sftp internal-sftp',
    `SetEnv ${variables.join(' ')}`,
    '',
  ].join('\n');
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error;
    return false;
  } finally {
    socket.destroy();
  }
}

async function mustRun(argv: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await runProgram(argv);
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} failed: ${stderr}`);
}
