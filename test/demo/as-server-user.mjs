// PostgreSQL refuses to run as root: a root demo runs its servers as `postgres`, else `nobody`.
import { readFileSync } from 'node:fs';

/** User for the servers when we are root, undefined when we are an ordinary user ourselves. */
export function serverUser() {
  if (process.getuid() !== 0) return undefined;
  const users = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  const found = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody');
  if (found === undefined) throw new Error('there is neither a user postgres nor nobody to run PostgreSQL as');
  return { name: found[0], uid: Number(found[2]), gid: Number(found[3]) };
}

/** The command as that user, ending when this process ends. */
export function asServerUser(user, argv) {
  if (user === undefined) return argv;
  return ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', ...argv];
}
