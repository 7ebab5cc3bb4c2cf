import { type PgcellarOptions, runPgcellar } from './run-pgcellar.ts';

/**
 * Runs a command that must succeed; gives its standard output.
 * @throws Error with all it printed when its exit code is not 0
 */
export async function runWell(words: readonly string[], options: PgcellarOptions): Promise<string> {
  const { exitCode, signal, stdout, stderr } = await runPgcellar(words, options);
  if (exitCode === 0) return stdout;
  throw new Error(`${words.join(' ')} ended with ${String(exitCode ?? signal)}:\n${stdout}${stderr}`);
}
