import { chmod, chown, mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { requireClientProgram } from '../../postgres/client-programs.ts';
import type { Environment } from '../../shared/environment.ts';
import { isAlive } from '../../shared/is-alive.ts';
import { pathExists } from '../../shared/look.ts';
import { OperatorError } from '../../shared/operator-error.ts';
import { failureOf } from '../../transport/programs/program-result.ts';
import { runProgram } from '../../transport/programs/run-program.ts';
import { startDetached } from '../../transport/programs/start-detached.ts';

/** A user and group by number. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

interface Starting {
  readonly dataFolder: string;
  /** Everything that has to belong to the server's user. */
  readonly folders: readonly string[];
  /** Whom it runs as; undefined for ourselves. */
  readonly owner: Owner | undefined;
  /** `server_version_num` of the files. */
  readonly version: number;
  readonly programPath: string;
  readonly environment: Environment;
}

/** A restored server that runs where nobody else sees it: on a socket in a folder of its own, without TCP. */
export interface PrivateServer {
  /** Of the process that passes signals on to the server and ends after it. */
  readonly pid: number;
  readonly port: number;
  readonly socketFolder: string;
  readonly logFile: string;
  isRunning(): boolean;
  log(): Promise<string>;
  /** Fast shutdown; resolves when it was told. */
  stop(): void;
}

/** Runs the server as its parent: passes signals on to it, and removes the folder of its socket when it has ended, whoever ended it. */
const script = `folder=$0; exec >>"$1" 2>&1; shift
"$@" &
server=$!
for name in INT TERM QUIT HUP; do trap "kill -$name $server" "$name"; done
while kill -0 "$server" 2>/dev/null; do wait "$server"; done
rm -rf -- "$folder"`;

/** Only part of the socket's name: nothing listens on it. */
const privatePort = 65432;

/**
 * Whom a restored server has to run as: PostgreSQL refuses root, so for root it is the owner of the destination, or of the folder that it is made in.
 * @throws OperatorError `destination-unusable` when that is root, too
 */
export async function serverOwner(destination: string): Promise<Owner | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (let path = destination; ; path = dirname(path)) {
    if (!(await pathExists(path))) continue;
    const { uid, gid } = await stat(path);
    if (uid !== 0) return { uid, gid };
    if (path !== destination) break; // only the folder that it is made in can speak for it
    if (dirname(path) === path) break;
  }
  throw new OperatorError('destination-unusable', `PostgreSQL does not run as root, and root owns ${destination}`, {
    hint: 'make the destination for the user of PostgreSQL first: install -d -o postgres -g postgres -m 0700 FOLDER',
  });
}

/**
 * Starts a server of the right version on restored files, apart from everybody else: it archives nowhere, listens nowhere, and only who may enter its folder
 * can connect, as any role. It goes on when we end.
 * @throws OperatorError `program-missing` or `command-failed`
 */
export async function startServer(starting: Starting): Promise<PrivateServer> {
  const { dataFolder, folders, owner, version, programPath: path, environment } = starting;
  const program = await requireClientProgram('postgres', { path, environment, serverVersion: version, isSameMajor: true });
  const folder = await mkdtemp(join(tmpdir(), 'pgcellar-start-'));
  const logFile = join(dataFolder, 'log', 'pgcellar-start.log'); // with what is restored: it is read when the server has ended
  await mkdir(dirname(logFile), { recursive: true, mode: 0o700 });
  const files = { [join(folder, 'pg_hba.conf')]: 'local all all trust\n', [join(folder, 'pg_ident.conf')]: '', [logFile]: '' };
  for (const [file, text] of Object.entries(files)) await writeFile(file, text, { mode: 0o600 });
  const configuration = join(dataFolder, 'postgresql.conf');
  const hasConfiguration = await pathExists(configuration);
  if (!hasConfiguration) await writeFile(join(folder, 'postgresql.conf'), '', { mode: 0o600 });
  if (owner !== undefined)
    await give(
      [folder, ...Object.keys(files), ...(hasConfiguration ? [] : [join(folder, 'postgresql.conf')])],
      folders,
      starting,
    );
  await chmod(dataFolder, 0o700);
  const settings: Readonly<Record<string, string>> = {
    config_file: hasConfiguration ? configuration : join(folder, 'postgresql.conf'),
    hba_file: join(folder, 'pg_hba.conf'),
    ident_file: join(folder, 'pg_ident.conf'),
    port: String(privatePort),
    listen_addresses: '',
    unix_socket_directories: folder,
    hot_standby: 'on',
    logging_collector: 'off',
    log_destination: 'stderr',
    log_line_prefix: '%m [%p] ',
    log_min_messages: 'info',
    lc_messages: 'C',
    ssl: 'off',
    archive_command: 'false',
  };
  const identity =
    owner === undefined ? [] : [`--reuid=${String(owner.uid)}`, `--regid=${String(owner.gid)}`, '--clear-groups'];
  const words = Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]);
  const watched = ['sh', '-c', script, folder, logFile, program.path, '-D', dataFolder, ...words];
  const pid = await startDetached(['setpriv', ...identity, '--', ...watched], { environment, keepsOutput: false });
  return {
    pid,
    port: privatePort,
    socketFolder: folder,
    logFile,
    isRunning: () => isAlive(pid),
    log: async () => await readFile(logFile, 'utf8'),
    stop: () => {
      if (isAlive(pid)) process.kill(pid, 'SIGINT');
    },
  };
}

async function give(files: readonly string[], folders: readonly string[], { owner, environment }: Starting): Promise<void> {
  if (owner === undefined) return;
  for (const file of files) await chown(file, owner.uid, owner.gid);
  const result = await runProgram(['chown', '-R', `${String(owner.uid)}:${String(owner.gid)}`, '--', ...folders], {
    environment,
  });
  if (result.exitCode !== 0) throw failureOf(result, 'chown');
}
