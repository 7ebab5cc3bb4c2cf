import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { requirePostgres } from './installations.ts';
import { type ProgramOptions, type ProgramResult, type RunningProgram, runProgram, startProgram } from './run-program.ts';
import type { TestHome } from './test-home.ts';

type ProgramName =
  | 'pgcellar'
  | 'barman'
  | 'pgcellar-wal-archive'
  | 'pgcellar-wal-restore'
  | 'barman-wal-archive'
  | 'barman-wal-restore';

export interface PgcellarOptions extends ProgramOptions {
  readonly home: TestHome;
  /** The name it is called by; another than its own is a link in the home's folder. */
  readonly as?: ProgramName;
  /** Puts the programs of this PostgreSQL first in PATH, for servers without path_prefix. */
  readonly postgres?: number;
  /** Folders before all others in PATH, e.g. of stand-in programs. */
  readonly path?: readonly string[];
  /** Runs on a terminal of its own; what it shows is then all in `stdout`. */
  readonly terminal?: boolean;
  /** False leaves `-c <configuration>` out. */
  readonly config?: boolean;
}

/** Runs `bin/pgcellar -c <home's configuration> ...words` to its end; `env` is added to the home's own. */
export async function runPgcellar(words: readonly string[], options: PgcellarOptions): Promise<ProgramResult> {
  const { argv, settings } = await commandOf(words, options);
  return await runProgram(argv, settings);
}

/** The same for a command that stays, such as `receive-wal`, or that is to be killed half-way. */
export async function spawnPgcellar(words: readonly string[], options: PgcellarOptions): Promise<RunningProgram> {
  const { argv, settings } = await commandOf(words, options);
  return startProgram(argv, settings);
}

/** The program under that name, as a path that PostgreSQL or ssh may call. */
export async function programPath(home: TestHome, as: ProgramName = 'pgcellar'): Promise<string> {
  const own = as.replace(/^barman/, 'pgcellar');
  const target = join(programFolder(), 'bin', own);
  if (as === own) return target;
  const link = join(await home.makeFolder('links'), as);
  try {
    await symlink(target, link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // made by an earlier run
  }
  return link;
}

async function commandOf(
  words: readonly string[],
  options: PgcellarOptions,
): Promise<{ argv: string[]; settings: ProgramOptions }> {
  const { home, as = 'pgcellar', config = true, terminal = false } = options;
  const takesConfig = config && !as.includes('-wal-');
  const command = [await programPath(home, as), ...(takesConfig ? ['-c', home.configFile] : []), ...words];
  const argv = home.argv(terminal ? onTerminal(command) : command);
  return { argv, settings: settingsOf(options) };
}

/** Options for `runProgram`: the home's environment with what a test adds to it. */
export function settingsOf({ home, postgres, path = [], env = {}, cwd, input, timeoutMs }: PgcellarOptions): ProgramOptions {
  const clients = postgres === undefined ? [] : [requirePostgres(postgres).clientsDir];
  return {
    env: home.env({ path: [...path, ...clients], more: env }),
    cwd: cwd ?? home.folder,
    ...(input === undefined ? {} : { input }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** script(1) gives the command a terminal and passes its exit code on. */
function onTerminal(command: readonly string[]): string[] {
  const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  return ['script', '--quiet', '--return', '--command', `stty cols 120 rows 40; exec ${line}`, '/dev/null'];
}

/** The repository, or the copy that `npm test` made of the programs when PostgreSQL's user cannot reach the repository. */
function programFolder(): string {
  return process.env['PGCELLAR_TEST_PROGRAMS'] ?? fileURLToPath(new URL('../..', import.meta.url));
}
