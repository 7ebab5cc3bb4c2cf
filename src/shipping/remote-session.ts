import type { Environment } from '../shared/environment.ts';
import { type RunningProgram, startFlowing } from '../transport/programs/run-program.ts';
import { sshFailure } from './backup-host.ts';

/** How a session began. */
export type SessionStart<Session> =
  | { readonly kind: 'open'; readonly session: Session; readonly greeting: string }
  /** The program there knows no sessions, such as a Barman's. */
  | { readonly kind: 'unknown-verb' }
  /** The program there did not work: a call of its own tells why. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'broken' };

interface SessionOptions {
  readonly argv: readonly string[];
  readonly environment: Environment;
  /** First words of the first line of an answering program; a login shell may say something of its own before. */
  readonly greeting: string;
  /** A session in which nothing moves for so long while an answer is awaited is given up; two minutes when left out. */
  readonly silentMs?: number | undefined;
}

/** The way a session treats answers. */
interface Answers {
  /** Takes a line, which ends in front of `rest`; gives what it leaves of that. */
  onLine(line: string): void;
  /** Takes bytes where they are no line; gives what is left of them, or undefined where a line is expected. */
  onBytes?(bytes: Buffer): Buffer | undefined;
  onEnd(): void;
  isAwaiting(): boolean;
}

/** Exit code of a program that does not know the verb, or that it can be called so. */
const usageError = 2;
const longestLine = 1000;
const usualSilenceMs = 120_000;

/** A program on the backup host that answers one request after another, with what is the same for all of them. */
export class RemoteSession {
  readonly #running: Omit<RunningProgram, 'stdout'>;
  readonly #silentMs: number;
  readonly #words: string;
  #answers: Answers | undefined;
  #greeted: ((greeting: string | undefined) => void) | undefined;
  #line = '';
  #isOver = false;
  #silence: NodeJS.Timeout | undefined;

  private constructor(running: Omit<RunningProgram, 'stdout'>, { greeting, silentMs = usualSilenceMs }: SessionOptions) {
    this.#running = running;
    this.#words = greeting;
    this.#silentMs = silentMs;
  }

  /** Logs in, and waits for the greeting. */
  static async begin(options: SessionOptions): Promise<SessionStart<RemoteSession>> {
    let take: (piece: Buffer) => void = () => undefined; // replaced before anything can be read
    const running = await startFlowing(options.argv, { ...options, onPiece: (piece) => take(piece) });
    const session = new RemoteSession(running, options);
    take = (piece) => session.#take(piece);
    const greeted = new Promise<string | undefined>((resolve) => {
      session.#greeted = resolve;
    });
    session.watchSilence();
    const ended = running.ended.then(({ exitCode }) => {
      session.#end();
      return exitCode;
    });
    const greeting = await greeted;
    if (greeting !== undefined) return { kind: 'open', session, greeting };
    const exitCode = await ended;
    if (exitCode === usageError) return { kind: 'unknown-verb' };
    return { kind: exitCode === sshFailure || exitCode === undefined ? 'broken' : 'refused' };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get requests(): RunningProgram['stdin'] {
    return this.#running.stdin;
  }

  answersGoTo(answers: Answers): void {
    this.#answers = answers;
  }

  /** Begins to count anew how long nothing moves. */
  watchSilence(): void {
    clearTimeout(this.#silence);
    const isAwaited = this.#greeted !== undefined || this.#answers?.isAwaiting() === true;
    if (isAwaited && !this.#isOver) this.#silence = setTimeout(() => this.giveUp(), this.#silentMs);
  }

  close(): void {
    this.#running.stdin.end();
    this.#running.kill('SIGTERM');
    this.#end();
  }

  giveUp(): void {
    this.#running.abandon();
    this.#end();
  }

  #take(chunk: Buffer): void {
    this.watchSilence();
    let rest = chunk;
    while (rest.length > 0 && !this.#isOver) rest = this.#answers?.onBytes?.(rest) ?? this.#takeLine(rest);
  }

  #takeLine(bytes: Buffer): Buffer {
    const end = bytes.indexOf(10);
    this.#line += bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
    if (this.#line.length > longestLine) this.giveUp();
    if (end === -1) return bytes.subarray(bytes.length);
    const line = this.#line;
    this.#line = '';
    if (this.#greeted === undefined) this.#answers?.onLine(line);
    else this.#takeGreeting(line);
    return bytes.subarray(end + 1);
  }

  #takeGreeting(line: string): void {
    if (line !== this.#words && !line.startsWith(`${this.#words} `)) return;
    this.#greeted?.(line);
    this.#greeted = undefined;
    clearTimeout(this.#silence);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#silence);
    this.#greeted?.(undefined);
    this.#answers?.onEnd();
  }
}
