// The real Barman on the same home and configuration: what it prints and leaves on disk is what we are compared with.
import { requireOlderBarman, requireOracle } from './installations.ts';
import { type PgcellarOptions, settingsOf } from './run-pgcellar.ts';
import { type ProgramResult, type RunningProgram, runProgram, startProgram } from './run-program.ts';

interface OracleOptions extends Omit<PgcellarOptions, 'as' | 'terminal'> {
  /** `older` is 3.13.3, as long as homes of it are in use. */
  readonly release?: 'newest' | 'older';
}

/** Runs `barman -c <home's configuration> ...words` to its end. */
export async function runOracle(words: readonly string[], options: OracleOptions): Promise<ProgramResult> {
  return await runProgram(argvOf(words, options), settingsOf(options));
}

/** The same for a command that stays. */
export function spawnOracle(words: readonly string[], options: OracleOptions): RunningProgram {
  return startProgram(argvOf(words, options), settingsOf(options));
}

function argvOf(words: readonly string[], { home, config = true, release = 'newest' }: OracleOptions): string[] {
  const { program } = release === 'older' ? requireOlderBarman() : requireOracle();
  return home.argv([program, ...(config ? ['-c', home.configFile] : []), ...words]);
}
