import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { killTree } from './kill-tree.ts';
import type { ProgramResult } from './program-result.ts';
import { makeSocketPair } from './socket-pair.ts';
import { startSurvivor } from './start-survivor.ts';

export interface ProgramOptions {
  /** Whole environment of the program. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Written to standard input, which is then closed; without it standard input is empty. One that fails ends the program. */
  readonly input?: string | Uint8Array | AsyncIterable<string | Uint8Array>;
  /** Takes standard output as it comes; it is not collected then, and of what goes line by line only the end is. */
  readonly onStdout?: (chunk: Buffer) => void;
  /** Each whole line of a stream as it comes, without its newline. */
  readonly onStdoutLine?: (line: string) => void;
  readonly onStderrLine?: (line: string) => void;
  /** Aborting it sends `stopSignal` to the program, which may then end in its own way. */
  readonly signal?: AbortSignal;
  /** SIGTERM unless the program ends more gracefully on another one. */
  readonly stopSignal?: NodeJS.Signals;
  /** Aborting it kills the program and lets go of its streams, as {@link RunningProgram.abandon} does. */
  readonly abandonSignal?: AbortSignal;
  /** An open file that it gets as its descriptor 3, for what must not stand in its arguments. */
  readonly inherited?: number | undefined;
  /**
   * What it starts is ours, too: it ends with us, however we die, and is stopped with it by SIGTERM. Otherwise that is only so of the
   * program itself. Costs one more process.
   */
  readonly isTreeOurs?: boolean;
  /** Words for `setpriv`, of `confinementTo`. */
  readonly confinement?: readonly string[];
}

/** A program under way. */
export interface RunningProgram {
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly ended: Promise<ProgramResult>;
  kill(signal: NodeJS.Signals): void;
  /** Kills it with all that it started, and lets go of its streams: `ended` then waits for nobody who holds one of them. */
  abandon(): void;
}

const keptOutput = 64 * 1024;

/**
 * Runs a program to its end. An exit code is never an exception; see {@link ProgramResult}.
 * @throws OperatorError `program-missing` when `setpriv` is not there; a program that is missing itself ends with exit code 127
 */
export async function runProgram(argv: readonly string[], options: ProgramOptions): Promise<ProgramResult> {
  const stdout = new LineReader(
    options.onStdoutLine,
    options.onStdoutLine === undefined ? Number.POSITIVE_INFINITY : keptOutput,
  );
  const program = await startProgram(argv, options);
  program.stdout.on('data', options.onStdout ?? ((chunk: Buffer) => stdout.add(chunk)));
  await feed(program, options.input);
  const result = await program.ended;
  return { ...result, stdout: stdout.end() };
}

async function feed(program: RunningProgram, input: ProgramOptions['input']): Promise<void> {
  if (input === undefined || typeof input === 'string' || input instanceof Uint8Array) {
    program.stdin.end(input);
    return;
  }
  try {
    await pipeline(input, program.stdin);
  } catch (error) {
    if (hasEndedEarly(error)) return; // its exit code says what that means
    program.kill('SIGTERM');
    await program.ended;
    throw error;
  }
}

/** A program may end without reading its input. */
function hasEndedEarly(error: unknown): boolean {
  return ['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'].includes(systemCodeOf(error) ?? '');
}

/**
 * Starts a program whose standard input and output the caller serves. The kernel sends it SIGTERM when we die, however we die
 * (`setpriv --pdeathsig`), so that no child outlives its command.
 * @throws OperatorError `program-missing` when `setpriv` is not there; a program that is missing itself ends with exit code 127
 */
export async function startProgram(argv: readonly string[], options: ProgramOptions): Promise<RunningProgram> {
  const { child, ended } = await launch(argv, options, ['pipe', 'pipe']);
  const { stdout } = child;
  if (stdout === null) throw new Error('a program has no standard output although it was asked for');
  return { ...servedBy(child), stdout, ended };
}

function servedBy(child: ChildProcess): Pick<RunningProgram, 'pid' | 'stdin' | 'kill' | 'abandon'> {
  const { stdin } = child;
  if (stdin === null) throw new Error('a program has no standard input although it was asked for');
  stdin.on('error', (error) => {
    // a program may end without reading its input: its exit code says what that means
    if (systemCodeOf(error) !== 'EPIPE' && systemCodeOf(error) !== 'ECONNRESET') child.kill('SIGTERM');
  });
  return {
    pid: child.pid ?? Number.NaN,
    stdin,
    kill: (signal) => {
      child.kill(signal);
    },
    abandon: () => abandon(child),
  };
}

/** As {@link startProgram}, for a program that writes gigabytes: `onPiece` takes what it writes in pieces whose memory is used again. */
export async function startFlowing(
  argv: readonly string[],
  { onPiece, ...options }: ProgramOptions & { readonly onPiece: (piece: Buffer) => void },
): Promise<Omit<RunningProgram, 'stdout'>> {
  const pair = await makeSocketPair(onPiece).catch(() => undefined); // as on a full disk: then through a usual pipe
  if (pair === undefined) {
    const { stdout, ...running } = await startProgram(argv, options);
    stdout.on('data', onPiece);
    return running;
  }
  const { near, far } = pair;
  const closed = new Promise((resolve) => near.on('close', resolve));
  try {
    const { child, ended } = await launch(argv, options, ['pipe', far]);
    return {
      ...servedBy(child),
      ended: Promise.all([ended, closed]).then(([result]) => result),
      abandon: () => {
        abandon(child);
        near.destroy();
      },
    };
  } catch (error) {
    near.destroy();
    throw error;
  } finally {
    far.destroy(); // the program has its own
  }
}

/** Standard input and output of a program: open files of ours. */
interface OnFiles extends Pick<ProgramOptions, 'environment' | 'signal'> {
  readonly stdin: number;
  readonly stdout: number;
}

/** As {@link startProgram}, with open files as standard input and output: none of their bytes goes through us. */
export async function startOnFiles(
  argv: readonly string[],
  { stdin, stdout, ...options }: OnFiles,
): Promise<Pick<RunningProgram, 'ended' | 'abandon'>> {
  const { child, ended } = await launch(argv, options, [stdin, stdout]);
  return { ended, abandon: () => abandon(child) };
}

interface Launched {
  readonly child: ChildProcess;
  readonly ended: Promise<ProgramResult>;
}

async function launch(
  argv: readonly string[],
  options: ProgramOptions,
  stdio: readonly ['pipe' | number, 'pipe' | number | Socket],
): Promise<Launched> {
  const environment = definedOf(options.environment);
  const survivor = options.isTreeOurs === true ? await startSurvivor(environment) : undefined;
  const own = ['setpriv', '--pdeathsig=TERM', ...(options.confinement ?? []), '--', ...argv];
  const [program = '', ...words] = survivor === undefined ? own : argv;
  const child = spawn(program, words, {
    env: environment,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: [...stdio, 'pipe', ...(options.inherited === undefined ? [] : [options.inherited])],
  });
  const stderr = new LineReader(options.onStderrLine, keptOutput);
  child.stderr?.on('data', (chunk: Buffer) => stderr.add(chunk));
  await spawned(child).catch((error: unknown) => {
    survivor?.end(); // it watches nobody yet
    throw error;
  });
  if (child.pid !== undefined) survivor?.watch(child.pid);
  const stop = (): void => {
    if (survivor === undefined) child.kill(options.stopSignal ?? 'SIGTERM');
    else survivor.end();
  };
  const letGo = (): void => abandon(child);
  options.signal?.addEventListener('abort', stop, { once: true });
  options.abandonSignal?.addEventListener('abort', letGo, { once: true });
  if (options.signal?.aborted === true) stop();
  const ended = endOf(child).then(([exitCode, signal]) => {
    survivor?.dismiss();
    options.signal?.removeEventListener('abort', stop);
    options.abandonSignal?.removeEventListener('abort', letGo);
    const result: ProgramResult = { argv, exitCode, signal, stdout: '', stderr: stderr.end() };
    return result;
  });
  return { child, ended };
}

function abandon(child: ChildProcess): void {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killTree(child.pid);
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
}

async function spawned(child: ChildProcess): Promise<void> {
  try {
    await once(child, 'spawn');
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
    throw new OperatorError('program-missing', 'the program setpriv was not found; every program is started through it', {
      hint: 'install the package util-linux',
      cause: error,
    });
  }
}

async function endOf(child: ChildProcess): Promise<[number | undefined, NodeJS.Signals | undefined]> {
  const [exitCode, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]; // documented arguments
  return [exitCode ?? undefined, signal ?? undefined];
}

function definedOf(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Collects text, its end at least, and passes whole lines on. */
class LineReader {
  readonly #onLine: ((line: string) => void) | undefined;
  readonly #limit: number;
  readonly #decoder = new TextDecoder();
  readonly #longestLine = keptOutput;
  #kept = '';
  #open = '';

  constructor(onLine: ((line: string) => void) | undefined, limit: number) {
    this.#onLine = onLine;
    this.#limit = limit;
  }

  add(chunk: Buffer): void {
    this.#take(this.#decoder.decode(chunk, { stream: true }));
  }

  end(): string {
    this.#take(this.#decoder.decode());
    if (this.#open !== '') this.#onLine?.(this.#open);
    return this.#kept;
  }

  #take(text: string): void {
    this.#kept += text;
    if (this.#kept.length > 2 * this.#limit) this.#kept = this.#kept.slice(-this.#limit);
    if (this.#onLine === undefined) return;
    const lines = (this.#open + text).split(/[\r\n]+/);
    this.#open = (lines.pop() ?? '').slice(-this.#longestLine);
    for (const line of lines) if (line !== '') this.#onLine(line);
  }
}
