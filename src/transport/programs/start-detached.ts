import { spawn } from 'node:child_process';
import { once } from 'node:events';

interface DetachedOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Keeps our standard output and error; otherwise the program has none. */
  readonly keepsOutput: boolean;
}

/** Starts a program in a session of its own that goes on when we end; gives its process id. */
export async function startDetached(argv: readonly string[], { environment, keepsOutput }: DetachedOptions): Promise<number> {
  const [program = '', ...words] = argv;
  const child = spawn(program, words, {
    detached: true,
    env: Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)),
    stdio: ['ignore', keepsOutput ? 'inherit' : 'ignore', keepsOutput ? 'inherit' : 'ignore'],
    cwd: '/',
  });
  await once(child, 'spawn');
  child.unref();
  return child.pid ?? Number.NaN;
}
