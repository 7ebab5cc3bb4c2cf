import { closeSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { systemCodeOf } from '../shared/operator-error.ts';
import { type RunningProgram, startProgram } from '../transport/programs/run-program.ts';
import { type FetchOptions, quoted, remoteCall } from './fetch-wal.ts';
import { sshFailure } from './remote-host.ts';

/** What became of a request: `failed` is for what only a call of its own can tell. */
export type SessionAnswer =
  | { readonly kind: 'there' | 'none' | 'failed' | 'broken' }
  /** This host could not write the file. */
  | { readonly kind: 'unwritable'; readonly error: Error };

interface Request {
  readonly target: string;
  readonly resolve: (answer: SessionAnswer) => void;
}

/** A file under way. */
interface Arriving {
  readonly file: number;
  readonly request: Request;
  bytesLeft: number;
  problem: Error | undefined;
}

/** How a session began. */
export type SessionStart =
  | { readonly kind: 'open'; readonly session: WalSession }
  /** The program there knows no sessions, such as a Barman's. */
  | { readonly kind: 'unknown-verb' }
  /** The program there did not work: a call of its own tells why. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'broken' };

const greeting = /^pgcellar-wals 1( .*)?$/;
/** Exit code of a program that does not know the verb, or that it can be called so. */
const usageError = 2;
const longestLine = 1000;
const usualSilenceMs = 120_000;

/**
 * One connection to `send-wals` of the backup host, which answers requests in their order. What arrives is written with calls that block:
 * each piece takes longer on its way through Node's threads than to be written.
 */
export class WalSession {
  readonly #running: RunningProgram;
  readonly #waiting: Request[] = [];
  readonly #silentMs: number;
  #line = '';
  #arriving: Arriving | undefined;
  #isOver = false;
  #greeted: ((greeting: string | undefined) => void) | undefined;
  #silence: NodeJS.Timeout | undefined;
  mayFetchAhead = true;

  private constructor(running: RunningProgram, silentMs: number) {
    this.#running = running;
    this.#silentMs = silentMs;
  }

  /** Logs in and waits for the greeting. */
  static async begin(options: FetchOptions): Promise<SessionStart> {
    const running = await startProgram(remoteCall(['send-wals', quoted(options.serverName)], options), options);
    const session = new WalSession(running, options.silentMs ?? usualSilenceMs);
    const greeted = new Promise<string | undefined>((resolve) => {
      session.#greeted = resolve;
    });
    session.#watchSilence();
    running.stdout.on('data', (chunk: Buffer) => session.#take(chunk));
    const ended = running.ended.then(({ exitCode }) => {
      session.#end();
      return exitCode;
    });
    const words = await greeted;
    if (words === undefined) {
      const exitCode = await ended;
      if (exitCode === usageError) return { kind: 'unknown-verb' };
      return { kind: exitCode === sshFailure || exitCode === undefined ? 'broken' : 'refused' };
    }
    session.mayFetchAhead = !words.includes(' not-ahead');
    return { kind: 'open', session };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Asks for a file and writes it to `target`, which is gone unless it is there whole. */
  async ask(name: string, flags: readonly string[], target: string): Promise<SessionAnswer> {
    if (this.#isOver) return { kind: 'broken' };
    const answered = new Promise<SessionAnswer>((resolve) => {
      this.#waiting.push({ target, resolve });
    });
    this.#running.stdin.write(`${[name, ...flags].join(' ')}\n`);
    this.#watchSilence();
    const answer = await answered;
    if (answer.kind !== 'there') await rm(target, { force: true });
    return answer;
  }

  close(): void {
    this.#running.stdin.end();
    this.#running.kill('SIGTERM');
    this.#end();
  }

  #take(chunk: Buffer): void {
    this.#watchSilence();
    let rest = chunk;
    while (rest.length > 0 && !this.#isOver)
      rest = this.#arriving === undefined ? this.#takeLine(rest) : this.#takeBytes(rest, this.#arriving);
  }

  #takeLine(bytes: Buffer): Buffer {
    const end = bytes.indexOf(10);
    this.#line += bytes.toString('latin1', 0, end === -1 ? bytes.length : end);
    if (this.#line.length > longestLine) this.#giveUp();
    if (end === -1) return bytes.subarray(bytes.length);
    const line = this.#line;
    this.#line = '';
    if (this.#greeted === undefined) this.#takeAnswer(line);
    else this.#takeGreeting(line);
    return bytes.subarray(end + 1);
  }

  #takeGreeting(line: string): void {
    if (!greeting.test(line)) return; // a login shell may say something of its own
    this.#greeted?.(line);
    this.#greeted = undefined;
  }

  #takeAnswer(line: string): void {
    const request = this.#waiting[0];
    if (request === undefined) return this.#giveUp();
    if (line === 'none' || line === 'failed') return this.#settle({ kind: line });
    const size = /^file (\d{1,10})$/.exec(line)?.[1];
    if (size === undefined) return this.#giveUp();
    this.#begin(request, Number(size));
  }

  #begin(request: Request, size: number): void {
    try {
      this.#arriving = { request, file: openSync(request.target, 'w', 0o600), bytesLeft: size, problem: undefined };
    } catch (error) {
      this.#arriving = { request, file: -1, bytesLeft: size, problem: asError(error) };
    }
    if (size === 0) this.#finish(this.#arriving);
  }

  /** What cannot be written is read all the same: the answers after it are still of use. */
  #takeBytes(bytes: Buffer, arriving: Arriving): Buffer {
    const piece = bytes.subarray(0, arriving.bytesLeft);
    if (arriving.problem === undefined) {
      try {
        for (let written = 0; written < piece.length; ) written += writeSync(arriving.file, piece, written);
      } catch (error) {
        arriving.problem = asError(error);
      }
    }
    arriving.bytesLeft -= piece.length;
    if (arriving.bytesLeft === 0) this.#finish(arriving);
    return bytes.subarray(piece.length);
  }

  #finish(arriving: Arriving): void {
    this.#arriving = undefined;
    closeIfOpen(arriving.file);
    this.#settle(arriving.problem === undefined ? { kind: 'there' } : { kind: 'unwritable', error: arriving.problem });
  }

  #settle(answer: SessionAnswer): void {
    this.#waiting.shift()?.resolve(answer);
    this.#watchSilence();
  }

  #watchSilence(): void {
    clearTimeout(this.#silence);
    const isAwaited = this.#waiting.length > 0 || this.#greeted !== undefined;
    if (isAwaited && !this.#isOver) this.#silence = setTimeout(() => this.#giveUp(), this.#silentMs);
  }

  #giveUp(): void {
    this.#running.abandon();
    this.#end();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#silence);
    if (this.#arriving !== undefined) closeIfOpen(this.#arriving.file);
    this.#arriving = undefined;
    this.#greeted?.(undefined);
    for (const { resolve } of this.#waiting.splice(0)) resolve({ kind: 'broken' });
  }
}

function closeIfOpen(file: number): void {
  if (file !== -1) closeSync(file);
}

function asError(error: unknown): Error {
  if (systemCodeOf(error) === undefined || !(error instanceof Error)) throw error;
  return error;
}
