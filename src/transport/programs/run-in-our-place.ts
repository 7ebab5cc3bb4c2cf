import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Environment } from '../../shared/environment.ts';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';

interface InOurPlace {
  /** Whole environment of the program. */
  readonly environment: Environment;
  /** The package to install when the program is missing. */
  readonly package: string;
  /** The text that it can read on file descriptor 3. */
  readonly handedOver: string;
}

/** How a program ended: one of the two is set. */
export interface End {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
}

const passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT', 'SIGWINCH'] as const;

/**
 * Runs a program as if it were us: with our standard streams, and told every signal that we are told. Who tells a whole process group, as a
 * terminal does, tells it twice.
 * @throws OperatorError `program-missing` when the program itself is not there
 */
export async function runInOurPlace(
  argv: readonly string[],
  { environment, package: owner, handedOver }: InOurPlace,
): Promise<End> {
  const [program = '', ...words] = argv;
  const child = spawn(program, words, {
    env: Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)),
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
  });
  const pass = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  for (const signal of passedOn) process.on(signal, pass);
  try {
    handOver(child.stdio[3] as Writable, handedOver); // it was asked for as a pipe
    const [exitCode, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]; // documented arguments
    return { exitCode: exitCode ?? undefined, signal: signal ?? undefined };
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    throw new OperatorError('program-missing', `the program ${program} was not found`, {
      hint: `install the package ${owner}`,
      cause: error,
    });
  } finally {
    for (const signal of passedOn) process.off(signal, pass);
  }
}

/** A program may end before it read everything: how it ended says what that means. */
function handOver(pipe: Writable, text: string): void {
  pipe.on('error', () => undefined);
  pipe.end(text);
}
