import { parseGlobalOptions } from './parse-global-options.ts';
import { versionLine } from './version.ts';

/** What the program is started with. */
export interface Invoked {
  /** Name it was called by: a link may give it Barman's. */
  readonly programName: string;
  /** Path of the script, for starting ourselves again. */
  readonly script: string;
  readonly argv: readonly string[];
}

/**
 * Runs one command line to its end.
 * @returns the exit code
 */
export async function main({ programName, script, argv }: Invoked): Promise<number> {
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-v')) return say(versionLine(programName));
  const { tellUsageError, runCommandLine } = await import('./run-command-line.ts');
  try {
    const globals = parseGlobalOptions(argv, programName);
    if (globals.asksFor === 'version') return say(versionLine(programName));
    return await runCommandLine({ programName, script, globals });
  } catch (error) {
    return tellUsageError(error);
  }
}

/** The helpers that PostgreSQL calls on its own host: they only know their version yet. */
export function mainOfHelper({ programName, argv }: Invoked): number {
  if (argv.includes('--version') || argv.includes('-V')) return say(versionLine(programName));
  process.stderr.write(`ERROR: ${programName} is not available yet in pgcellar 0.1.0: use put-wal and get-wal through ssh\n`);
  return 2;
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
