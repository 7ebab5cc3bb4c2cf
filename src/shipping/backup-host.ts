import { readdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../shared/environment.ts';
import { quoteWords } from '../shared/shell-words.ts';
import { readSshSettings } from '../transport/ssh/read-ssh-settings.ts';
import { parseSshCommand } from '../transport/ssh/ssh-command.ts';
import { readIfThere } from '../transport/ssh/ssh-files.ts';
import { settingOf } from '../transport/ssh/ssh-settings.ts';

/** Where the backup host is and how our program there is called. */
export interface BackupHost {
  readonly user: string;
  readonly host: string;
  readonly port: number | undefined;
  /** Configuration file on that host. */
  readonly configPath: string | undefined;
  /** `barman`, by which name pgcellar can be called too. */
  readonly program: string;
  /** The ciphers that ssh offers, where that is not left to it. */
  readonly ciphers?: string | undefined;
  /** How long ssh may take until both sides have agreed on keys; undefined when the operator has set that. */
  readonly connectSeconds?: number | undefined;
}

/** Exit code of `ssh` for its own failures: no connection, no login. */
export const sshFailure = 255;

/** Without it ssh waits for hours for a host that is gone without a word, and PostgreSQL with it: three such questions stay unanswered. */
const aliveWords = ['-o', 'ServerAliveInterval=15', '-o', 'ServerAliveCountMax=3'];

/** The command line up to the remote program (docs/reference/cli.md sections 13 and 14); ssh joins what follows with blanks for the remote shell. */
export function sshWords(remote: BackupHost): string[] {
  return [...loginWords(remote), remote.program];
}

/** Words for `put-wal` about its configuration file, for the remote shell. */
export function configWords({ configPath }: BackupHost): string[] {
  return configPath === undefined ? [] : [`--config='${configPath.replaceAll("'", `'"'"'`)}'`];
}

/** The command line up to the host. */
export function loginWords({ user, host, port, ciphers, connectSeconds }: BackupHost): string[] {
  const options = [
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(ciphers === undefined ? [] : ['-o', `Ciphers=${ciphers}`]),
    ...(connectSeconds === undefined ? [] : ['-o', `ConnectTimeout=${String(connectSeconds)}`]),
    ...aliveWords,
  ];
  return ['ssh', ...options, '-q', '-T', `${user}@${host}`];
}

/** A host that is not there is found out sooner than TCP would, and so is one that takes connections and says nothing. */
const usualConnectSeconds = 20;
const systemFolder = '/etc/ssh';

/**
 * The host, with a limit for connecting where the operator has set none. What the command line says would win over what the files say: they
 * are looked into first, and ssh itself is asked only when they speak of it.
 */
export async function boundConnecting(remote: BackupHost, environment: Environment): Promise<BackupHost> {
  if (remote.connectSeconds !== undefined) return remote;
  const isSet = (await isSpokenOf()) && (await isSetFor(remote, environment));
  return isSet ? remote : { ...remote, connectSeconds: usualConnectSeconds };
}

async function isSpokenOf(): Promise<boolean> {
  const folder = join(systemFolder, 'ssh_config.d');
  const names = await readdir(folder).catch(() => []); // ssh finds nothing there either
  const paths = [
    join(userInfo().homedir, '.ssh', 'config'), // which ssh reads whatever HOME says
    join(systemFolder, 'ssh_config'),
    ...names.map((name) => join(folder, name)),
  ];
  const texts = await Promise.all(paths.map(readIfThere));
  return texts.some((text) => /^\s*(?:connecttimeout\b|include\s+(?!\/etc\/ssh\/ssh_config\.d\/\*\.conf\s*$))/im.test(text));
}

async function isSetFor(remote: BackupHost, environment: Environment): Promise<boolean> {
  const settings = await readSshSettings(parseSshCommand(quoteWords(loginWords(remote))), environment);
  return settings !== undefined && settingOf(settings, 'connecttimeout') !== undefined;
}
