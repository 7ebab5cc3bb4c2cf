import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { OperatorError } from '../shared/operator-error.ts';
import { runProgram } from '../transport/run-program.ts';

interface UserRecord {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/**
 * Makes sure that we run as the owner of the catalog (cli.md section 1.3): root becomes that user, that user stays, anybody else is
 * refused.
 * @returns the user's home folder
 * @throws OperatorError `wrong-user`
 */
export async function becomeUser(name: string): Promise<{ readonly home: string }> {
  const current = userInfo();
  if (current.username === name) return { home: process.env['HOME'] ?? current.homedir };
  const isRoot = process.getuid?.() === 0;
  if (!isRoot) {
    throw new OperatorError('wrong-user', `please run as user '${name}'`, {
      hint: `the configuration says barman_user = ${name}: use sudo -u ${name}, or change it`,
    });
  }
  const user = await findUser(name);
  if (user === undefined) {
    throw new OperatorError('wrong-user', `the user '${name}' does not exist`, {
      hint: 'create it, or set barman_user to the owner of the catalog',
    });
  }
  (process as typeof process & { initgroups(user: string, group: number): void }).initgroups(user.name, user.gid); // the type package lacks it
  process.setgid?.(user.gid);
  process.setuid?.(user.uid);
  process.env['HOME'] = user.home;
  return { home: user.home };
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
