import type { Clock } from '../shared/clock.ts';
import { fastCiphers } from '../transport/ssh/prefer-fast-cipher.ts';
import { boundConnecting, loginWords, sshFailure } from './backup-host.ts';
import { type FetchOptions, fetchWal, lastLineOf, unpackInPlace } from './fetch-wal.ts';
import { WalSession } from './wal-session.ts';

/** How a file came: `failed` is for what only a call of its own can tell, `unwritable` for a disk of ours that does not take it. */
export type Fetched =
  | { readonly kind: 'there' | 'failed' | 'broken' | 'unwritable' }
  /** Surely not there, or as surely as a Barman tells it. */
  | { readonly kind: 'none'; readonly said: string };

interface Wanted {
  readonly name: string;
  readonly allowsPartial?: boolean;
  /** {@link FetchOptions}, where each file takes a call of its own; one connection for all is always as exact. */
  readonly isStrict?: boolean;
}

/**
 * ssh lets a connection carry two megabytes without hearing from the other side: where that takes so long, one connection is slower than
 * replay, and more of them share the way.
 */
const longWayMs = 10;
const mostSessions = 4;

/**
 * The backup host as long as somebody attends to a spool: one connection that answers everything, made when it is needed and again after
 * it broke. A program there that knows no sessions is remembered, and each file then takes a call of its own.
 */
export class BackupConnection {
  readonly #options: FetchOptions;
  readonly #clock: Clock;
  #sessions: WalSession[] = [];
  #isWidening = false;
  #isClosed = false;
  #beginning: Promise<Fetched | undefined> | undefined;
  #fetch: Promise<FetchOptions> | undefined;
  #wantsPlain = false;
  #knowsSessions: boolean;

  constructor(options: FetchOptions, { clock, knowsSessions }: { readonly clock: Clock; readonly knowsSessions: boolean }) {
    this.#options = options;
    this.#clock = clock;
    this.#knowsSessions = knowsSessions;
  }

  /** Whether files come through one connection, as far as that is known. */
  get knowsSessions(): boolean {
    return this.#knowsSessions;
  }

  /** Whether the backup host lets segments be fetched ahead that nobody asked for. */
  get mayFetchAhead(): boolean {
    return this.#session?.mayFetchAhead ?? true;
  }

  /** How many connections share the way. */
  get width(): number {
    return Math.max(1, this.#sessions.length);
  }

  /** Makes one more connection where the way is long: replay waits for segments. Nobody waits for it. */
  widen(): void {
    if (!this.#isLongWay || this.#isWidening || this.#sessions.length >= mostSessions) return;
    this.#isWidening = true;
    this.#begin()
      .catch(() => undefined)
      .finally(() => {
        this.#isWidening = false;
      });
  }

  /** Logs in unless that has been done; undefined when files can be asked for. */
  async begin(): Promise<Fetched | undefined> {
    this.#sessions = this.#sessions.filter(({ isOver }) => !isOver);
    if (!this.#knowsSessions || this.#session !== undefined) return undefined;
    this.#beginning ??= this.#begin().finally(() => {
      this.#beginning = undefined;
    });
    return await this.#beginning;
  }

  /** Fetches a file into `target`, plain, whatever it is. */
  async fetch({ name, allowsPartial = false, isStrict = false }: Wanted, target: string): Promise<Fetched> {
    const problem = await this.begin();
    if (problem !== undefined) return problem;
    if (!this.#knowsSessions) return await this.#fetchAlone({ name, allowsPartial, isStrict }, target);
    const flags = [...(allowsPartial ? ['partial'] : []), ...(this.#wantsPlain ? ['plain'] : [])];
    const kind = (await this.#session?.ask(name, flags, target)) ?? 'broken';
    if (kind === 'none') return { kind, said: `WAL file '${name}' not found in server '${this.#options.serverName}'` };
    if (kind !== 'there') return { kind };
    try {
      await unpackInPlace(target, this.#options.environment);
      return { kind };
    } catch {
      if (this.#wantsPlain) return { kind: 'failed' };
      this.#wantsPlain = true; // a program that unpacks it may be missing here
      return await this.fetch({ name, allowsPartial, isStrict }, target);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const session of this.#sessions) session.close();
  }

  /** As far as one of the connections has seen it: those that were made later are seldom asked for one thing at a time. */
  get #isLongWay(): boolean {
    const seen = this.#sessions.map(({ roundTripMs }) => roundTripMs).filter((ms) => ms !== undefined);
    return seen.length > 0 && Math.min(...seen) >= longWayMs;
  }

  /** The one with the fewest requests. */
  get #session(): WalSession | undefined {
    return this.#sessions.toSorted((one, other) => one.load - other.load).at(0);
  }

  async #begin(): Promise<Fetched | undefined> {
    this.#fetch ??= withFastCipher(this.#options);
    const start = await WalSession.begin(await this.#fetch, this.#clock);
    if (start.kind === 'open') this.#sessions.push(start.session);
    if (start.kind === 'open' && this.#isClosed) start.session.close();
    if (start.kind === 'unknown-verb') this.#knowsSessions = false;
    if (start.kind === 'refused') return { kind: 'failed' };
    return start.kind === 'broken' ? { kind: 'broken' } : undefined;
  }

  async #fetchAlone({ name, ...wanted }: Required<Wanted>, target: string): Promise<Fetched> {
    try {
      const { exitCode, stderr } = await fetchWal(name, target, { ...this.#options, ...wanted });
      if (exitCode === 0) return { kind: 'there' };
      if (exitCode === 1) return { kind: 'none', said: lastLineOf(stderr) };
      return { kind: exitCode === sshFailure ? 'broken' : 'failed' };
    } catch {
      return { kind: 'unwritable' };
    }
  }
}

/** For gigabytes of WAL it pays to ask for a cipher that costs less. */
async function withFastCipher(fetch: FetchOptions): Promise<FetchOptions> {
  const [ciphers, remote] = await Promise.all([
    fastCiphers(loginWords(fetch.remote), fetch.environment),
    boundConnecting(fetch.remote, fetch.environment),
  ]);
  return { ...fetch, remote: { ...remote, ciphers } };
}
