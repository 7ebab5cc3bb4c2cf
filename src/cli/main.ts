import { recoveryMustStop } from '../wal/restore-status.ts';
import type { Invoked } from './invoked.ts';
import { parseGlobalOptions } from './parse-global-options.ts';
import { standardOutput } from './standard-stream.ts';
import { versionLine } from './version.ts';

/** For what even a command's own handling of failures let through. */
export { stackOf } from '../shared/stack-of.ts';

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
    const exitCode = tellUsageError(error, programName);
    return argv.includes('get-wal') && argv.includes('--strict') ? recoveryMustStop : exitCode;
  }
}

/** Runs one of the helpers that PostgreSQL calls on its own host, to its end; gives the exit code. */
export async function mainOfHelper(invoked: Invoked, helper: 'archive' | 'restore'): Promise<number> {
  const { programName, argv } = invoked;
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) return say(versionLine(programName));
  if (helper === 'archive') return await (await import('./helpers/pgcellar-wal-archive.ts')).runWalArchive(invoked);
  return await (await import('./helpers/pgcellar-wal-restore.ts')).runWalRestore(invoked);
}

function say(text: string): number {
  standardOutput.write(`${text}\n`);
  return 0;
}
