// PostgreSQL refuses to run as root: when we are root, servers run as `postgres`, else `nobody`.
import { readFileSync } from 'node:fs';

/** Undefined when we are an ordinary user, who runs servers as himself. */
export function serverUser() {
  if (process.getuid() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (found === undefined) throw new Error('there is neither a user postgres nor nobody to run PostgreSQL as');
  return { name: found[0], uid: Number(found[2]), gid: Number(found[3]) };
}

/** The command as the server's user. */
export function asServerUser(argv) {
  const user = serverUser();
  if (user === undefined) return argv;
  return ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--init-groups', '--', ...argv];
}
