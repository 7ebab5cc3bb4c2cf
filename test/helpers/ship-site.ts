// A backup host behind a real sshd and the data folder of a server that ships its WAL there, or fetches it from there.
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { requireOlderHelpers, requireOracle } from './installations.ts';
import { programPath } from './run-pgcellar.ts';
import { type ProgramResult, runProgram } from './run-program.ts';
import { startSshd } from './start-sshd.ts';
import { createTestHome, type IniSection, type TestHome } from './test-home.ts';
import { systemid } from './wal-segment.ts';

export type Whose = 'ours' | 'real Barman';
/** An older release as well. */
export type WhoseSide = Whose | 'older Barman';

/** One helper program with its arguments before the host: `[program, '-p', '4']`. */
type Words = readonly string[];

export interface ShipSite extends AsyncDisposable {
  readonly home: TestHome;
  /** A data folder as far as helpers look: control file, WAL, and the mark of a running server. */
  readonly data: string;
  /** Makes another one. */
  makeDataFolder(name: string): Promise<string>;
  /** Runs a helper in the data folder, as PostgreSQL does. */
  run(argv: Words, options?: { readonly cwd?: string }): Promise<ProgramResult>;
  /** What {@link run} runs. */
  command(argv: Words): { readonly argv: readonly string[]; readonly env: NodeJS.ProcessEnv; readonly cwd: string };
  /** Of the sshd there. */
  readonly port: number;
  /** How often a helper has logged in. */
  logins(): Promise<number>;
  /** Gives ssh more options, as its configuration would. */
  addSshOptions(words: string): Promise<void>;
  stopSsh(): Promise<void>;
  restartSsh(): Promise<void>;
}

/** A site whose remote `barman` is ours or a real one; `node` is the folder of another Node.js than ours, for both sides. */
export async function openShipSite(remote: WhoseSide, options: IniSection = {}, node?: string): Promise<ShipSite> {
  const main = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres', ...options };
  const home = await createTestHome({ servers: { main } });
  const barman = await barmanOf(remote, home);
  const sshd = await startSshd({
    programs: { barman, ...(node && { node: join(node, 'node') }) },
    env: { BARMAN_CONFIG_FILE: home.configFile },
  });
  const programs = await home.makeFolder('ssh');
  const words = `-i ${sshd.identityFile} -o IdentitiesOnly=yes -o UserKnownHostsFile=${sshd.knownHostsFile} -o BatchMode=yes`;
  const addSshOptions = async (more: string): Promise<void> => {
    await writeFile(join(programs, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F none ${words} ${more} "$@"\n`, { mode: 0o755 });
  };
  await addSshOptions('');
  const argvOf = ([program = '', ...rest]: Words) => [program, '-U', sshd.user, '--port', String(sshd.port), ...rest];
  const settings = { env: home.env({ path: [programs, ...(node ? [node] : [])] }) };
  const data = await makeDataFolder(home, 'data');
  return {
    home,
    data,
    makeDataFolder: async (name) => await makeDataFolder(home, name),
    run: async (argv, { cwd = data } = {}) => await runProgram(argvOf(argv), { ...settings, cwd }),
    port: sshd.port,
    command: (argv) => ({ argv: argvOf(argv), ...settings, cwd: data }),
    logins: async () => await sshd.logins(),
    addSshOptions,
    stopSsh: async () => await sshd.stop(),
    restartSsh: async () => await sshd.restart(),
    [Symbol.asyncDispose]: async () => {
      await home[Symbol.asyncDispose]();
      await sshd[Symbol.asyncDispose]();
    },
  };
}

async function barmanOf(whose: WhoseSide, home: TestHome): Promise<string> {
  if (whose === 'ours') return await programPath(home, 'barman');
  return whose === 'older Barman' ? join(requireOlderHelpers().folder, 'barman') : requireOracle().program;
}

/** Path of a helper program. */
export async function helperOf(
  site: ShipSite,
  name: 'wal-archive' | 'wal-restore',
  whose: WhoseSide = 'ours',
): Promise<string> {
  if (whose === 'ours') return await programPath(site.home, `pgcellar-${name}`);
  if (whose === 'older Barman') return join(requireOlderHelpers().folder, `barman-${name}`);
  return join(dirname(requireOracle().program), `barman-${name}`);
}

/** A data folder as far as helpers look, below the home of a test. */
export async function makeDataFolder(home: TestHome, name: string): Promise<string> {
  const data = await home.makeFolder(name);
  await home.makeFolder(`${name}/pg_wal/archive_status`);
  await home.makeFolder(`${name}/global`);
  const control = Buffer.alloc(8);
  control.writeBigUInt64LE(systemid);
  await writeFile(join(data, 'global', 'pg_control'), control);
  await writeFile(join(data, 'postmaster.pid'), `1\n${data}\n1764150000\n`);
  return data;
}
