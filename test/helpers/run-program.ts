import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Exactly one of `exitCode` and `signal` is set. */
export interface ProgramResult {
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly input?: string | Uint8Array;
  /** After this the program and its process group are killed and the run fails. */
  readonly timeoutMs?: number;
}

/** A program under way; disposing it kills its process group. */
export interface RunningProgram extends AsyncDisposable {
  readonly pid: number;
  /** What was printed so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves when the program ended and nobody holds its output open any more. */
  readonly ended: Promise<ProgramResult>;
  /** Signals the program alone, not its children. */
  kill(signal: NodeJS.Signals): void;
  /** Signals the program and the children that stayed in its process group. */
  killGroup(signal: NodeJS.Signals): void;
}

/** Runs a program to its end. Never throws for an exit code; throws when the program cannot be started or takes too long. */
export async function runProgram(argv: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  const { timeoutMs = 150_000 } = options;
  const program = startProgram(argv, options);
  const late = Symbol('late');
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<typeof late>((resolve) => {
    timer = setTimeout(() => resolve(late), timeoutMs);
  });
  try {
    const result = await Promise.race([program.ended, deadline]);
    if (result !== late) return result;
  } finally {
    clearTimeout(timer);
  }
  program.killGroup('SIGKILL');
  throw new Error(
    `${argv.join(' ')}\ndid not end within ${String(timeoutMs / 1000)} s, or a child of it keeps its output open\n` +
      `stdout: ${program.stdout()}\nstderr: ${program.stderr()}`,
  );
}

/** Starts a program as leader of a process group of its own. */
export function startProgram(
  argv: readonly string[],
  { env, cwd, input }: Omit<ProgramOptions, 'timeoutMs'> = {},
): RunningProgram {
  const [program, ...words] = argv;
  if (program === undefined) throw new Error('no program is named');
  const child = spawn(program, words, { env, cwd, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  child.stdin.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error; // a program may end without reading its input
  });
  child.stdin.end(input);
  const ended = endOf(child, { stdout, stderr });
  const killGroup = (signal: NodeJS.Signals): void => signalIfAlive(-(child.pid ?? Number.NaN), signal);
  return {
    pid: child.pid ?? Number.NaN,
    stdout,
    stderr,
    ended,
    kill: (signal) => {
      child.kill(signal);
    },
    killGroup,
    [Symbol.asyncDispose]: async () => {
      if (child.pid === undefined) return;
      killGroup('SIGKILL');
      await ended;
    },
  };
}

async function endOf(child: ChildProcess, output: { stdout: () => string; stderr: () => string }): Promise<ProgramResult> {
  const [exitCode, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { exitCode: exitCode ?? undefined, signal: signal ?? undefined, stdout: output.stdout(), stderr: output.stderr() };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  if (Number.isNaN(pid)) return;
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it ended by itself, which is as good
  }
}
