import { resolve } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { shownLine } from '../shared/shown-text.ts';
import { PutSession } from './put-session.ts';
import { type SendOptions, sendThrough } from './send-wal.ts';
import { alone, serveRequests } from './serve-requests.ts';
import { rememberWithoutSessions, type Spool } from './spool.ts';

interface ArchivingOptions {
  readonly spool: Spool;
  /** Of a request, without the file. */
  readonly send: SendOptions;
  /** Of the server whose WAL that is. */
  readonly dataFolder: string;
  readonly clock: Clock;
}

/** A session is made anew after so long: the backup host may have got another configuration, or another program. */
const longestSessionMs = 60_000;

/** Sends the files of one archive_command after another through one connection, until there are none for a while or the server is gone. */
export async function attendArchiving(options: ArchivingOptions): Promise<void> {
  const { send, dataFolder } = options;
  const line = new Line(options);
  line.session().catch(() => undefined); // takes longest; who asks meets the same failure
  try {
    await serveRequests(options, () => ({
      answer: async ([path = '']) => {
        const session = await line.session();
        const outcome = session && (await sendThrough(session, { ...send, walPath: resolve(dataFolder, path) }));
        if (outcome === undefined) return alone;
        const { exitCode, message = '' } = outcome;
        return exitCode === 0 ? 'stored' : `told ${String(exitCode)} ${shownLine(message)}`;
      },
      onEnd: () => Promise.resolve(line.knowsSessions ? 'nothing-to-keep' : 'keep-folder'),
    }));
  } finally {
    line.close();
  }
}

/** The connection, made when it is needed. */
class Line {
  readonly #options: ArchivingOptions;
  #session: PutSession | undefined;
  #beginning: Promise<PutSession | undefined> | undefined;
  #begunAtMs = 0;
  knowsSessions = true;

  constructor(options: ArchivingOptions) {
    this.#options = options;
  }

  /** Undefined when there is none. */
  async session(): Promise<PutSession | undefined> {
    if (!this.knowsSessions) return undefined;
    const isFresh = this.#options.clock.elapsedMs() - this.#begunAtMs < longestSessionMs;
    if (this.#session?.isOver === false && isFresh) return this.#session;
    this.#session?.close();
    this.#session = undefined;
    this.#beginning ??= this.#begin().finally(() => {
      this.#beginning = undefined;
    });
    return await this.#beginning;
  }

  close(): void {
    this.#session?.close();
  }

  async #begin(): Promise<PutSession | undefined> {
    const start = await PutSession.begin(this.#options.send);
    if (start.kind === 'unknown-verb') {
      this.knowsSessions = false;
      await rememberWithoutSessions(this.#options.spool);
    }
    if (start.kind !== 'open') return undefined;
    this.#begunAtMs = this.#options.clock.elapsedMs();
    this.#session = start.session;
    return start.session;
  }
}
