// A primary with everything a backup needs: WAL level, senders, slots, checksums, and the roles of Barman's manual.
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { access, appendFile, chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder, type Installation } from '../machine/cache-folder.mjs';
import { asServerUser, serverUser } from '../machine/server-user.mjs';
import { requirePostgres } from './installations.ts';
import { PostgresServer, type Settings } from './postgres-server.ts';
import { runProgram } from './run-program.ts';
import { createTemporaryFolder } from './temporary-folder.ts';

interface ClusterOptions {
  readonly major: number;
  readonly settings?: Settings;
  /** Lines for the top of pg_hba.conf; below them everybody on this machine is trusted. */
  readonly hba?: readonly string[];
  /** More words for initdb, e.g. `--wal-segsize=1`. */
  readonly initdbArgs?: readonly string[];
  /** Environment of the server, e.g. for its archive_command. */
  readonly env?: Readonly<Record<string, string>>;
  /** Clusters are copies of one template and share its system identifier unless this is true. */
  readonly uniqueSystemId?: boolean;
}

const commonSettings: Settings = {
  fsync: 'off',
  wal_level: 'replica',
  max_wal_senders: 10,
  max_replication_slots: 10,
  max_connections: 50,
  shared_buffers: '16MB',
  log_line_prefix: '%m [%p] %u@%d ',
};

const roles = `
CREATE ROLE barman LOGIN SUPERUSER PASSWORD 'barman';
CREATE ROLE streaming_barman LOGIN REPLICATION PASSWORD 'barman';
`;

/**
 * A running primary: superusers `postgres` and `barman`, and `streaming_barman` that may replicate (both passwords are
 * `barman`, asked for only when `hba` says so).
 */
export async function startCluster(options: ClusterOptions): Promise<PostgresServer> {
  const installation = requirePostgres(options.major);
  const folder = await createTemporaryFolder('pg', { owner: 'server' });
  try {
    const dataDir = join(folder.path, 'data');
    await makeDataDir({ installation, dataDir, options });
    await configure(dataDir, options);
    const server = new PostgresServer({ installation, dataDir, folder, settings: {}, env: options.env ?? {} });
    await server.start();
    return server;
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

async function makeDataDir({
  installation,
  dataDir,
  options,
}: {
  installation: Installation;
  dataDir: string;
  options: ClusterOptions;
}): Promise<void> {
  const { initdbArgs = [], uniqueSystemId = false } = options;
  if (uniqueSystemId || initdbArgs.length > 0) {
    await initialise({ installation, dataDir, initdbArgs });
    return;
  }
  const template = await ensureTemplate(installation);
  await promisify(execFile)('cp', ['-a', '--reflink=auto', '-T', template, dataDir]);
}

/** The finished template; two tests that make it at the same time both succeed, one throws its copy away. */
async function ensureTemplate(installation: Installation): Promise<string> {
  const recipe = createHash('sha256')
    .update(JSON.stringify([installation, roles, serverUser()]))
    .digest('hex')
    .slice(0, 8);
  const folder = join(cacheFolder(), 'templates');
  const template = join(folder, `${installation.version}-${recipe}`);
  if (await exists(template)) return template;
  const unfinished = `${template}.${randomBytes(4).toString('hex')}`;
  await mkdir(unfinished, { recursive: true });
  await giveToServer(unfinished);
  try {
    await initialise({ installation, dataDir: unfinished, initdbArgs: [] });
    await rename(unfinished, template);
  } catch (error) {
    await rm(unfinished, { recursive: true });
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
  return template;
}

interface InitialiseOptions {
  readonly installation: Installation;
  readonly dataDir: string;
  readonly initdbArgs: readonly string[];
}

async function initialise({ installation, dataDir, initdbArgs }: InitialiseOptions): Promise<void> {
  const { binDir } = installation;
  const flags = ['-U', 'postgres', '-A', 'trust', '-k', '-N', '--locale=C', '--encoding=UTF8'];
  await runAsServer([join(binDir, 'initdb'), '-D', dataDir, ...flags, ...initdbArgs]);
  // roles without a network: the single-user mode takes one statement a line
  await runAsServer([join(binDir, 'postgres'), '--single', '-F', '-D', dataDir, 'postgres'], roles.trimStart());
}

async function configure(dataDir: string, { settings = {}, hba = [] }: ClusterOptions): Promise<void> {
  const lines = Object.entries({ ...commonSettings, ...settings }).map(
    ([name, value]) => `${name} = ${quote(String(value))}\n`,
  );
  await appendFile(join(dataDir, 'postgresql.conf'), `\n# settings of the test\n${lines.join('')}`);
  const path = join(dataDir, 'pg_hba.conf');
  await writeFile(path, `${hba.map((line) => `${line}\n`).join('')}${await readFile(path, 'utf8')}`);
}

function quote(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

async function runAsServer(argv: readonly string[], input?: string): Promise<void> {
  const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' };
  const result = await runProgram(asServerUser(argv), { env, cwd: '/', ...(input === undefined ? {} : { input }) });
  if (result.exitCode !== 0 || /\b(ERROR|FATAL):/.test(result.stderr)) {
    throw new Error(`${argv.join(' ')} failed:\n${result.stdout}${result.stderr}`);
  }
}

async function giveToServer(path: string): Promise<void> {
  const user = serverUser();
  if (user !== undefined) await chown(path, user.uid, user.gid);
  await chmod(path, 0o700);
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}
