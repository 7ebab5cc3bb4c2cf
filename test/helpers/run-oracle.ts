// The real Barman on the same home and configuration: what it prints and leaves on disk is what we are compared with.
import { requireOracle } from './installations.ts';
import { type PgcellarOptions, settingsOf } from './run-pgcellar.ts';
import { type ProgramResult, type RunningProgram, runProgram, startProgram } from './run-program.ts';

type OracleOptions = Omit<PgcellarOptions, 'as' | 'terminal'>;

/** Runs `barman -c <home's configuration> ...words` to its end. */
export async function runOracle(words: readonly string[], options: OracleOptions): Promise<ProgramResult> {
  return await runProgram(argvOf(words, options), settingsOf(options));
}

/** The same for a command that stays. */
export function spawnOracle(words: readonly string[], options: OracleOptions): RunningProgram {
  return startProgram(argvOf(words, options), settingsOf(options));
}

function argvOf(
  words: readonly string[],
  { home, config = true }: OracleOptions,
  program: string = requireOracle().program,
): string[] {
  return home.argv([program, ...(config ? ['-c', home.configFile] : []), ...words]);
}
