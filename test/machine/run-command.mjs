// Programs run while a machine is prepared: waited for, quiet unless they fail.
import { spawnSync } from 'node:child_process';

/** A failure that its user can mend: shown as it is, without a stack; `npm run demo` and `npm test` then end with 2. */
export class PreparationError extends Error {
  name = 'PreparationError';
}

/** Runs a program to its end and gives its stdout; a failure shows the command and the end of what it printed. */
export function runCommand(argv, { env = {}, cwd, input } = {}) {
  const result = tryCommand(argv, { env, cwd, input });
  if (result.status === 0) return result.stdout;
  const output = `${result.stdout}${result.stderr}`.trim().split('\n').slice(-15).join('\n');
  throw new PreparationError(`${argv.join(' ')}\nended with ${result.status ?? result.signal ?? result.reason}:\n${output}`);
}

/** The same, without throwing: `status` is undefined and `reason` set when the program cannot be started. */
export function tryCommand(argv, { env = {}, cwd, input } = {}) {
  const [program, ...words] = argv;
  const result = spawnSync(program, words, {
    cwd,
    input,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  return {
    status: result.status ?? undefined,
    signal: result.signal ?? undefined,
    reason: result.error?.message,
    stdout: result.stdout ?? '',
    stderr: result.stderr ?? '',
  };
}

export function say(text) {
  console.error(`[machine] ${text}`);
}

/** Runs a step and says how long it took. */
export async function timed(what, step) {
  const startedAt = performance.now();
  const result = await step();
  say(`${what}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return result;
}
