import type { Invoked } from './invoked.ts';
import { parseGlobalOptions } from './parse-global-options.ts';
import { versionLine } from './version.ts';

/**
 * Runs one command line to its end.
 * @returns the exit code
 */
export async function main({ programName, script, argv }: Invoked): Promise<number> {
  guardOutput();
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

/** Runs one of the helpers that PostgreSQL calls on its own host, to its end; gives the exit code. */
export async function mainOfHelper(invoked: Invoked, helper: 'archive' | 'restore'): Promise<number> {
  guardOutput();
  const { programName, argv } = invoked;
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) return say(versionLine(programName));
  if (helper === 'archive') return await (await import('./helpers/wal-archive.ts')).runWalArchive(invoked);
  return await (await import('./helpers/wal-restore.ts')).runWalRestore(invoked);
}

/**
 * What becomes of output that cannot be written: a reader who went away, as `head` does, had all it wanted; anything else ends us with one
 * line. Whoever pipes into a stream listens to it as well, and tells that failure with more words.
 */
function guardOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (stream.listenerCount('error') > 1) return;
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
      if (stream === process.stdout)
        process.stderr.write(`ERROR: cannot write to standard output: ${error.code ?? error.message}\n`);
      process.exit(1);
    });
  }
}

function say(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}
