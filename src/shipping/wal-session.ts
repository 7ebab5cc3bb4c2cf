import { closeSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Clock } from '../shared/clock.ts';
import { systemCodeOf } from '../shared/operator-error.ts';
import { type FetchOptions, quoted, remoteCall } from './fetch-wal.ts';
import { RemoteSession, type SessionStart } from './remote-session.ts';

/** The outcome of a request: `failed` is for what only a call of its own can tell, `unwritable` for a file that this host could not write. */
export type SessionAnswer = 'there' | 'none' | 'failed' | 'broken' | 'unwritable';

interface Request {
  readonly target: string;
  readonly resolve: (answer: SessionAnswer) => void;
  /** When it was sent to a program that had nothing else to do. */
  readonly sentAtMs: number | undefined;
}

/** A file under way. */
interface Arriving {
  /** Undefined when it cannot be written: what comes is read all the same, for the answers after it. */
  file: number | undefined;
  bytesLeft: number;
}

const enoughRoundTrips = 3;

/**
 * One connection to `send-wals` of the backup host, which answers requests in their order. What arrives is written with calls that block:
 * each piece takes longer on its way through Node's threads than to be written.
 */
export class WalSession {
  readonly #remote: RemoteSession;
  readonly #waiting: Request[] = [];
  readonly #clock: Pick<Clock, 'elapsedMs'>;
  #arriving: Arriving | undefined;
  /** Least time in which a request that had to wait for none was answered, and how many of them there were. */
  readonly #roundTrips = { least: Number.POSITIVE_INFINITY, count: 0 };
  /** Whether the backup host lets segments be fetched ahead that nobody asked for. */
  readonly mayFetchAhead: boolean;

  private constructor(remote: RemoteSession, { greeting, clock }: { greeting: string; clock: Pick<Clock, 'elapsedMs'> }) {
    this.#remote = remote;
    this.#clock = clock;
    this.mayFetchAhead = !greeting.includes(' not-ahead');
    remote.answersGoTo({
      onLine: (line) => this.#takeAnswer(line),
      onBytes: (bytes) => (this.#arriving === undefined ? undefined : this.#takeBytes(bytes, this.#arriving)),
      onEnd: () => this.#end(),
      isAwaiting: () => this.#waiting.length > 0,
    });
  }

  /** Logs in. */
  static async begin(options: FetchOptions, clock: Pick<Clock, 'elapsedMs'>): Promise<SessionStart<WalSession>> {
    const { environment, silentMs } = options;
    const argv = remoteCall(['send-wals', quoted(options.serverName)], options);
    const start = await RemoteSession.begin({ argv, environment, silentMs, greeting: 'pgcellar-wals 1' });
    if (start.kind !== 'open') return start;
    return { ...start, session: new WalSession(start.session, { greeting: start.greeting, clock }) };
  }

  get isOver(): boolean {
    return this.#remote.isOver;
  }

  /** Requests that have not been answered. */
  get load(): number {
    return this.#waiting.length;
  }

  /** Milliseconds that a request takes there and an answer back, as soon as that was seen some times. */
  get roundTripMs(): number | undefined {
    return this.#roundTrips.count < enoughRoundTrips ? undefined : this.#roundTrips.least;
  }

  /** Asks for a file and writes it to `target`, which is gone unless it is there whole. */
  async ask(name: string, flags: readonly string[], target: string): Promise<SessionAnswer> {
    if (this.#remote.isOver) return 'broken';
    const answered = new Promise<SessionAnswer>((resolve) => {
      const sentAtMs = this.#waiting.length === 0 ? this.#clock.elapsedMs() : undefined;
      this.#waiting.push({ target, resolve, sentAtMs });
    });
    this.#remote.requests.write(`${[name, ...flags].join(' ')}\n`);
    this.#remote.watchSilence();
    const answer = await answered;
    if (answer !== 'there') await rm(target, { force: true });
    return answer;
  }

  close(): void {
    this.#remote.close();
  }

  #takeAnswer(line: string): void {
    const [request] = this.#waiting;
    if (request?.sentAtMs !== undefined) this.#noteRoundTrip(this.#clock.elapsedMs() - request.sentAtMs);
    const size = /^file (\d{1,10})$/.exec(line)?.[1];
    if (request === undefined) this.#remote.giveUp();
    else if (line === 'none' || line === 'failed') this.#settle(line);
    else if (size === undefined) this.#remote.giveUp();
    else this.#begin(request, Number(size));
  }

  #noteRoundTrip(ms: number): void {
    this.#roundTrips.least = Math.min(this.#roundTrips.least, ms);
    this.#roundTrips.count++;
  }

  #begin({ target }: Request, bytesLeft: number): void {
    this.#arriving = { file: systemCallOrNothing(() => openSync(target, 'w', 0o600)), bytesLeft };
    if (bytesLeft === 0) this.#finish(this.#arriving);
  }

  #takeBytes(bytes: Buffer, arriving: Arriving): Buffer {
    const piece = bytes.subarray(0, arriving.bytesLeft);
    const { file } = arriving;
    if (file !== undefined && systemCallOrNothing(() => writeAll(file, piece)) === undefined) {
      closeSync(file);
      arriving.file = undefined;
    }
    arriving.bytesLeft -= piece.length;
    if (arriving.bytesLeft === 0) this.#finish(arriving);
    return bytes.subarray(piece.length);
  }

  #finish({ file }: Arriving): void {
    this.#arriving = undefined;
    if (file !== undefined) closeSync(file);
    this.#settle(file === undefined ? 'unwritable' : 'there');
  }

  #settle(answer: SessionAnswer): void {
    this.#waiting.shift()?.resolve(answer);
    this.#remote.watchSilence();
  }

  #end(): void {
    if (this.#arriving?.file !== undefined) closeSync(this.#arriving.file);
    this.#arriving = undefined;
    for (const { resolve } of this.#waiting.splice(0)) resolve('broken');
  }
}

function writeAll(file: number, piece: Buffer): number {
  let written = 0;
  while (written < piece.length) written += writeSync(file, piece, written);
  return written;
}

/** Undefined for what the system refused. */
function systemCallOrNothing(call: () => number): number | undefined {
  try {
    return call();
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
    return undefined;
  }
}
