import { OperatorError } from '../shared/operator-error.ts';
import type { Host } from '../transport/hosts/host.ts';
import { programMissing } from '../transport/programs/find-program.ts';
import type { ClientProgramName } from './client-programs.ts';

/** Prints path and version of each program of that name: in PATH, then where the packages of that major version put it. */
const script = `for program in $(command -v "$1") "/usr/lib/postgresql/$2/bin/$1" "/usr/pgsql-$2/bin/$1"; do
  if [ -x "$program" ]; then echo "$program $(LC_ALL=C "$program" --version)"; fi
done`;

/**
 * Finds a program of PostgreSQL on another host, of the same major version as a server.
 * @param serverVersion `server_version_num`
 * @throws OperatorError `program-missing` or `ssh-failed`
 */
export async function requireClientOn(host: Host, name: ClientProgramName, serverVersion: number): Promise<string> {
  const major = String(Math.floor(serverVersion / 10_000));
  const { stdout, stderr, exitCode } = await host.run(['sh', '-c', script, 'sh', name, major]);
  if (exitCode !== 0) throw new OperatorError('command-failed', `cannot look for ${name} on ${host.label}: ${stderr.trim()}`);
  const found = stdout.split('\n').map((line) => /^(\S+) .*\) ((\d+)\S*)/.exec(line));
  const fitting = found.find((parts) => parts?.[3] === major)?.[1];
  if (fitting !== undefined) return fitting;
  const [, other, versionText] = found.find((parts) => parts !== null) ?? [];
  const others = other === undefined ? '' : ` (${other} is version ${versionText ?? 'unknown'})`;
  throw programMissing(name, `PostgreSQL ${major}${others}`, { host: host.label });
}
