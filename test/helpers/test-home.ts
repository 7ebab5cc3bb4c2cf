// A Barman home with its configuration and an empty HOME: everything one installation owns, in one temporary folder.
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { asServerUser, serverUser } from '../machine/server-user.mjs';
import { findMarkedProcesses, inheritedMarks, killMarkedProcesses, type MarkedProcess } from './marked-processes.ts';
import type { PostgresServer } from './postgres-server.ts';
import { createTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';

export type IniSection = Readonly<Record<string, string | number | boolean>>;

interface HomeOptions {
  /** Server name to its options; one file each below barman.d. */
  readonly servers?: Readonly<Record<string, IniSection>>;
  /** More for the section `[barman]`, or instead of what it holds by default. */
  readonly global?: IniSection;
  /**
   * Who owns the home and runs the programs: ourselves, or the user PostgreSQL runs as (for an archive_command or restore_command
   * that works on the home itself).
   */
  readonly owner?: 'self' | 'server';
}

/** Its environment variable: every process that works for a home carries the home's folder in it. */
const homeMark = 'PGCELLAR_TEST_HOME';

export class TestHome implements AsyncDisposable {
  readonly #folder: TemporaryFolder;
  readonly #owner: 'self' | 'server';

  constructor(folder: TemporaryFolder, owner: 'self' | 'server') {
    this.#folder = folder;
    this.#owner = owner;
  }

  /** The temporary folder around everything; tests put their own things into it as they like. */
  get folder(): string {
    return this.#folder.path;
  }

  /** `barman_home`. */
  get path(): string {
    return join(this.folder, 'home');
  }

  get configFile(): string {
    return join(this.folder, 'barman.conf');
  }

  /** The value of HOME. */
  get userHome(): string {
    return join(this.folder, 'user');
  }

  get logFile(): string {
    return join(this.folder, 'barman.log');
  }

  /** `backup_directory` of a server, or a path below it. */
  server(name: string, ...below: string[]): string {
    return join(this.path, name, ...below);
  }

  /** Writes or replaces the file of one server. */
  async writeServer(name: string, options: IniSection): Promise<void> {
    await this.writeFile(join('barman.d', `${name}.conf`), iniText(name, { description: `server ${name}`, ...options }));
  }

  async removeServer(name: string): Promise<void> {
    await rm(join(this.folder, 'barman.d', `${name}.conf`));
  }

  /** Writes the global section; what is given wins over the default. */
  async writeGlobal(options: IniSection = {}): Promise<void> {
    await this.writeFile('barman.conf', iniText('barman', { ...this.#defaults(), ...options }));
  }

  /** Writes a file below the folder, owned as the home is. */
  async writeFile(name: string, text: string, mode = 0o644): Promise<void> {
    const path = join(this.folder, name);
    await writeFile(path, text, { mode });
    await this.own(path);
  }

  /** Makes a folder below the folder, owned as the home is, and gives its path. */
  async makeFolder(name: string): Promise<string> {
    const path = join(this.folder, name);
    await mkdir(path, { recursive: true });
    await this.own(path);
    return path;
  }

  async log(): Promise<string> {
    return await readFile(this.logFile, 'utf8');
  }

  /** The command as the home's owner runs it. */
  argv(argv: readonly string[]): string[] {
    return this.#owner === 'server' ? asServerUser(argv) : [...argv];
  }

  /** Environment of a program that works on this home: nothing of ours but what is named here. */
  env({ path = [], more = {} }: { path?: readonly string[]; more?: NodeJS.ProcessEnv } = {}): NodeJS.ProcessEnv {
    return {
      PATH: [...path, join(process.execPath, '..'), '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].join(':'),
      HOME: this.userHome,
      LC_ALL: 'C.UTF-8',
      [homeMark]: this.folder,
      ...(process.env['TZ'] === undefined ? {} : { TZ: process.env['TZ'] }),
      ...inheritedMarks(),
      ...more,
    };
  }

  /** What runs for this home now: receivers and other background work, with their children. */
  async processes(): Promise<MarkedProcess[]> {
    return await findMarkedProcesses(homeMark, this.folder);
  }

  /** Gives a path and all below it to the home's owner. */
  async own(path: string): Promise<void> {
    const user = this.#owner === 'server' ? serverUser() : undefined;
    if (user !== undefined) await promisify(execFile)('chown', ['-R', `${String(user.uid)}:${String(user.gid)}`, path]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await killMarkedProcesses(homeMark, this.folder);
    await removeSpools(this.folder);
    await this.#folder[Symbol.asyncDispose]();
  }

  #defaults(): IniSection {
    const user = this.#owner === 'server' ? (serverUser()?.name ?? userInfo().username) : userInfo().username;
    return {
      barman_user: user,
      barman_home: this.path,
      configuration_files_directory: join(this.folder, 'barman.d'),
      log_file: this.logFile,
      log_level: 'DEBUG',
    };
  }
}

export async function createTestHome({ servers = {}, global = {}, owner = 'self' }: HomeOptions = {}): Promise<TestHome> {
  const folder = await createTemporaryFolder('bh', { owner });
  const home = new TestHome(folder, owner);
  for (const name of ['home', 'barman.d', 'user']) await home.makeFolder(name);
  await home.writeGlobal(global);
  for (const [name, options] of Object.entries(servers)) await home.writeServer(name, options);
  return home;
}

/** Options of a server that is backed up from `cluster` by streaming alone, through a slot; `more` adds or replaces. */
export function streamingServer(cluster: PostgresServer, more: IniSection = {}): IniSection {
  return {
    conninfo: cluster.conninfo({ user: 'barman' }),
    streaming_conninfo: cluster.conninfo({ user: 'streaming_barman' }),
    path_prefix: cluster.clientsDir,
    backup_method: 'postgres',
    streaming_archiver: 'on',
    archiver: 'off',
    slot_name: 'barman',
    create_slot: 'auto',
    ...more,
  };
}

function iniText(section: string, options: IniSection): string {
  const lines = Object.entries(options).map(([name, value]) => `${name} = ${iniValue(value)}`);
  return `[${section}]\n${lines.join('\n')}\n`;
}

function iniValue(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value).replaceAll('%', '%%').replaceAll('\n', '\n  ');
}

/** What the helpers of servers in a home have where they keep it when nobody says so; their names end with the data folder, and options. */
async function removeSpools(home: string): Promise<void> {
  const parent = '/var/tmp';
  const ofHome = `+${home.replaceAll('/', '+')}+`;
  for (const name of await readdir(parent)) {
    if (/^pgcellar-(?:wal|put)-/.test(name) && name.includes(ofHome))
      await rm(join(parent, name), { recursive: true, force: true });
  }
}
