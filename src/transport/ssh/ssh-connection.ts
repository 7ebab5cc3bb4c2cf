import { appendFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Config, NodeSSH } from 'node-ssh';
import type { Environment } from '../../shared/environment.ts';
import { messageOf, OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { type HostKeyVerdict, judgeHostKey, knownHostLine, knownHostName, knownKeyTypes } from './known-hosts.ts';
import type { RemoteShell } from './remote-shell.ts';
import { shellOver } from './ssh-channels.ts';
import { filesOf, readIfThere } from './ssh-files.ts';
import { waysToLogIn } from './ssh-login.ts';
import { sshFailed } from './ssh-program-shell.ts';
import { hostKeyPolicy, isOn, type SshSettings, settingOf } from './ssh-settings.ts';

interface ConnectionOptions {
  /** For messages. */
  readonly label: string;
  readonly settings: SshSettings;
  readonly environment: Environment;
}

const connectSeconds = 30;

/**
 * Opens one connection that all commands share, as the settings of OpenSSH say: host, port, user, the keys of agent and identity files,
 * the known_hosts files.
 * @returns undefined when the host was reached but only the program `ssh` may find a way to log in
 * @throws OperatorError `ssh-failed` when the host cannot be reached or its key is another one than the known one, `ssh-host-unknown` when
 * none is known
 */
export async function connectSsh(options: ConnectionOptions): Promise<RemoteShell | undefined> {
  // not import(): code that the build compiled cannot do that
  const library = createRequire(import.meta.url)('node-ssh') as { NodeSSH: new () => NodeSSH }; // the package's exports
  const client = new library.NodeSSH();
  const identity = await readIdentity(options);
  const offered: { verdict: HostKeyVerdict } = { verdict: 'known' };
  try {
    const connecting = client.connect({
      ...(await clientConfig(options, identity)),
      hostVerifier: (key: Buffer, accept: (isAccepted: boolean) => void) => {
        offered.verdict = judgeHostKey(identity.knownHosts, identity.name, key.toString('base64'));
        void mayGoOn(options, { identity, verdict: offered.verdict, key }).then(accept, () => {
          accept(false);
        });
      },
    });
    // the library writes a packet in pieces, and each waits for an answer: held back, those of the login and of questions take 40 ms each
    client.connection?.setNoDelay(true);
    await connecting;
  } catch (error) {
    client.dispose();
    if (offered.verdict === 'needs-program') return undefined;
    if (offered.verdict !== 'known') throw hostKeyRefused(options, identity, offered.verdict);
    if (isConnectFailure(error)) throw sshFailed(options.label, messageOf(error), error);
    return undefined;
  }
  return shellOver(client, options.label);
}

interface Identity {
  /** As known_hosts calls the host. */
  readonly name: string;
  readonly knownHosts: string;
  readonly userFiles: readonly string[];
}

async function readIdentity({ settings }: ConnectionOptions): Promise<Identity> {
  const port = Number(settingOf(settings, 'port') ?? 22);
  const alias = settingOf(settings, 'hostkeyalias');
  const host = settingOf(settings, 'hostname') ?? '';
  const userFiles = filesOf(settings, 'userknownhostsfile');
  const texts = await Promise.all([...userFiles, ...filesOf(settings, 'globalknownhostsfile')].map(readIfThere));
  return { name: alias ?? knownHostName(host, port), knownHosts: texts.join('\n'), userFiles };
}

interface Offer {
  readonly identity: Identity;
  readonly verdict: HostKeyVerdict;
  readonly key: Buffer;
}

/** As ssh(1) with StrictHostKeyChecking and nobody to ask; a new key is noted in the first file of the user. */
async function mayGoOn({ settings }: ConnectionOptions, { identity, verdict, key }: Offer): Promise<boolean> {
  const policy = hostKeyPolicy(settings);
  if (verdict === 'known') return true;
  if (verdict === 'changed') return policy === 'accept-all';
  if (verdict !== 'unknown' || policy === 'refuse-unknown') return false;
  const [file] = identity.userFiles;
  if (file !== undefined && file !== '/dev/null')
    await appendFile(file, knownHostLine(identity.name, key, { isHashed: isOn(settings, 'hashknownhosts') }), { mode: 0o600 });
  return true;
}

function hostKeyRefused({ label }: ConnectionOptions, identity: Identity, verdict: HostKeyVerdict): OperatorError {
  const reason = {
    unknown: 'its host key is not known',
    changed: 'its host key is another one than the known one; somebody may be listening in',
    revoked: 'its host key is revoked',
    known: 'its host key was refused',
    'needs-program': 'its host key was refused',
  }[verdict];
  const files = identity.userFiles.join(' or ');
  return new OperatorError(
    verdict === 'unknown' ? 'ssh-host-unknown' : 'ssh-failed',
    `cannot reach ${label} by ssh: ${reason}`,
    {
      hint: `compare the key with the host's own, then put it into ${files} as ${identity.name} (ssh-keyscan prints it)`,
    },
  );
}

async function clientConfig({ settings, environment }: ConnectionOptions, identity: Identity): Promise<Config> {
  const username = settingOf(settings, 'user') ?? environment['USER'] ?? '';
  const alive = Number(settingOf(settings, 'serveraliveinterval') ?? 0);
  const types = knownKeyTypes(identity.knownHosts, identity.name).flatMap(hostKeyAlgorithms);
  return {
    host: settingOf(settings, 'hostname') ?? '',
    port: Number(settingOf(settings, 'port') ?? 22),
    username,
    // the key exchange must end in a key that can be compared, as OpenSSH sees to it
    ...(types.length === 0 ? {} : { algorithms: { serverHostKey: types } }),
    authHandler: await waysToLogIn(settings, { username, environment }),
    readyTimeout: 1000 * Number(settingOf(settings, 'connecttimeout') ?? connectSeconds),
    keepaliveInterval: 1000 * (alive === 0 ? 15 : alive),
    keepaliveCountMax: Number(settingOf(settings, 'serveralivecountmax') ?? 3),
    ...addressFamily(settings),
  };
}

/** An RSA key signs in three ways; the two with SHA-2 are what today's servers accept. */
function hostKeyAlgorithms(type: string) {
  const known = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'] as const;
  if (type === 'ssh-rsa') return ['rsa-sha2-512', 'rsa-sha2-256', 'ssh-rsa'] as const;
  return known.filter((name) => name === type);
}

function addressFamily(settings: SshSettings): Config {
  const family = settingOf(settings, 'addressfamily');
  if (family === 'inet') return { forceIPv4: true };
  return family === 'inet6' ? { forceIPv6: true } : {};
}

/** The host was not there, or was silent: the program would not get further. */
function isConnectFailure(error: unknown): boolean {
  const level: unknown = error instanceof Error && 'level' in error ? error.level : undefined;
  return level === 'client-socket' || level === 'client-timeout' || systemCodeOf(error) !== undefined;
}
