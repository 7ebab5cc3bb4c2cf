import { findMarkedProcesses, killProcesses, type MarkedProcess } from '../machine/marked-processes.mjs';
import { waitFor } from './wait-for.ts';

export { findMarkedProcesses, type MarkedProcess };

/** What every program of a test carries in its environment: the run of `npm test` and the test file that it belongs to. */
const inherited = ['PGCELLAR_TEST_RUN', 'PGCELLAR_TEST_FILE'] as const;

/** The marks of this test file, for the environment of a program that does not inherit ours. */
export function inheritedMarks(): Record<string, string> {
  const marks = inherited.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(marks.filter((mark): mark is [(typeof inherited)[number], string] => mark[1] !== undefined));
}

/** Kills them, and those they start meanwhile, until none is left. */
export async function killMarkedProcesses(variable: string, value: string): Promise<void> {
  await waitFor(`processes with ${variable}=${value} end`, async () => {
    const found = await findMarkedProcesses(variable, value);
    killProcesses(found);
    return found.length === 0;
  });
}
