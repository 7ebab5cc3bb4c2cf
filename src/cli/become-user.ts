import { closeSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import type { HandedConfiguration } from '../config/find-configuration-file.ts';
import { OperatorError, systemCodeOf } from '../shared/operator-error.ts';
import { runProgram } from '../transport/programs/run-program.ts';

interface UserRecord {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface BecomeOptions {
  /** The main file, which only root may be able to read. */
  readonly configuration: HandedConfiguration;
}

/** Has the text of the main file that PGCELLAR_HANDED_CONFIGURATION names, when we were started again as another user. */
const handedFile = 3;

/** The main file as root read it, when root became the user that we are by starting us again. */
export function handedConfiguration(): HandedConfiguration | undefined {
  const path = process.env['PGCELLAR_HANDED_CONFIGURATION'];
  if (path === undefined) return undefined;
  delete process.env['PGCELLAR_HANDED_CONFIGURATION']; // it is not for what we start
  const text = readFileSync(handedFile, 'utf8');
  closeSync(handedFile);
  return { path, text };
}

/**
 * Makes sure that we run as the owner of the catalog (docs/reference/cli.md section 1.3): root becomes that user, that user stays, anybody else is
 * refused. A Node whose libuv might use io_uring refuses to change its user (Debian 13 has such a one): then we run once more, as that
 * user from the start, and this process ends as that one does.
 * @returns the user's home folder
 * @throws OperatorError `wrong-user` or `program-missing`
 */
export async function becomeUser(name: string, { configuration }: BecomeOptions): Promise<{ readonly home: string }> {
  const current = userInfo();
  if (current.username === name) return { home: process.env['HOME'] ?? current.homedir };
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) {
    throw new OperatorError('wrong-user', `please run as user '${name}'`, {
      hint: `the configuration says barman_user = ${name}: run the command with sudo -u ${name}, or change the option`,
    });
  }
  const user = await findUser(name);
  if (user === undefined) {
    throw new OperatorError('wrong-user', `the user '${name}' does not exist`, {
      hint: 'create it, or set barman_user to the owner of the catalog',
    });
  }
  try {
    (process as typeof process & { initgroups(user: string, group: number): void }).initgroups(user.name, user.gid); // the type package lacks it
    process.setgid?.(user.gid);
    process.setuid?.(user.uid);
  } catch (error) {
    if (systemCodeOf(error) !== 'ERR_INVALID_STATE') throw error;
    await runAgainAs(user, configuration);
  }
  process.env['HOME'] = user.home;
  return { home: user.home };
}

/** Exit code 126 or 127 is also that of a `setpriv` that may not change the user, or that finds no program. */
const startIfReadable = 'test -r "$0" || exit 126; exec "$@"';

/** Never returns: ends as the other process ends. @throws OperatorError `wrong-user` when the user cannot run us, `program-missing` */
async function runAgainAs({ name, uid, gid, home }: UserRecord, { path, text }: HandedConfiguration): Promise<never> {
  const { runInOurPlace } = await import('../transport/programs/run-in-our-place.ts');
  const [node, script = ''] = process.argv;
  const identity = [`--reuid=${String(uid)}`, `--regid=${String(gid)}`, '--init-groups', '--pdeathsig=TERM'];
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const end = await runInOurPlace(['setpriv', ...identity, '--', 'sh', '-c', startIfReadable, script, ...again], {
    environment: { ...process.env, HOME: home, PGCELLAR_HANDED_CONFIGURATION: path },
    package: 'util-linux',
    handedOver: text,
  });
  if (end.exitCode === 126 || end.exitCode === 127) {
    throw new OperatorError('wrong-user', `the user '${name}' cannot run ${script} with ${node ?? 'node'}`, {
      hint: 'install both where every user can read them',
    });
  }
  if (end.signal !== undefined) process.kill(process.pid, end.signal);
  process.exit(end.exitCode ?? 1);
}

async function findUser(name: string): Promise<UserRecord | undefined> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n');
  return parseUser(lines.find((line) => line.startsWith(`${name}:`)) ?? (await askNameService(name)));
}

/** Users of a directory service are not in the file. */
async function askNameService(name: string): Promise<string> {
  const result = await runProgram(['getent', 'passwd', '--', name], { environment: process.env });
  return result.exitCode === 0 ? result.stdout.trim() : '';
}

function parseUser(line: string): UserRecord | undefined {
  const [name = '', , uid = '', gid = '', , home = ''] = line.split(':');
  if (name === '' || !/^\d+$/.test(uid) || !/^\d+$/.test(gid)) return undefined;
  return { name, uid: Number(uid), gid: Number(gid), home };
}
