import type { Clock } from '../../shared/clock.ts';
import { formatIsoTime, localTimestamp } from '../../shared/timestamp.ts';
import type { Host } from '../../transport/hosts/host.ts';

/** The versions of a host's software, in the words of its own programs; empty where a program is missing. */
export interface SystemFacts {
  readonly kernel_ver: string;
  readonly python_ver: string;
  readonly release: string;
  readonly rsync_ver: string;
  readonly ssh_ver: string;
}

/** The facts that identify the backup host in `diagnose` and in exported backups (docs/reference/cli.md section 11.5, docs/reference/since-3.17.md section 2.2). */
export interface BackupHostFacts extends SystemFacts {
  readonly barman_ver: string;
  readonly python_executable: string;
  /** ISO 8601 with offset. */
  readonly timestamp: string;
}

/** Release of Barman that we speak as. */
const speaksAs = '3.20.1';

/** Each question on a line of its own: the answer may have several lines, and one that fails is empty. */
const questions: readonly (readonly [keyof SystemFacts, string])[] = [
  ['kernel_ver', 'uname -a'],
  ['python_ver', 'python3 --version'],
  ['release', 'lsb_release -a 2>/dev/null || sed -n "s/^PRETTY_NAME=//p" /etc/os-release | tr -d \'"\''],
  ['rsync_ver', 'rsync --version | head -n 1'],
  ['ssh_ver', 'ssh -V'],
];

/** @throws OperatorError `ssh-failed` when the host cannot be reached */
export async function readSystemFacts(host: Host, signal?: AbortSignal): Promise<SystemFacts> {
  const script = questions.map(([, question]) => `{ ${question}; } 2>&1; printf '\\0'`).join('; ');
  const { stdout } = await host.run(['sh', '-c', script], signal === undefined ? {} : { signal });
  const answers = stdout.split('\0');
  const entries = questions.map(([key], position): [string, string] => {
    const answer = (answers[position] ?? '').trim();
    return [key, /: (?:not found|command not found)$/.test(answer) ? '' : answer];
  });
  return Object.fromEntries(entries) as unknown as SystemFacts; // the keys of the table are those of the type
}

/** Facts of the host that we run on; Node.js stands where Barman has its Python. */
export async function readBackupHostFacts(host: Host, clock: Clock): Promise<BackupHostFacts> {
  return {
    ...(await readSystemFacts(host)),
    barman_ver: speaksAs,
    python_ver: `Node.js ${process.version}`,
    python_executable: process.execPath,
    timestamp: formatIsoTime(localTimestamp(clock.now())),
  };
}
