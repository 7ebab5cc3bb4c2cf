import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { isMissing } from '../shared/look.ts';
import { readyNames, type Spool } from './spool.ts';

interface AttendOptions {
  readonly spool: Spool;
  /** Segments that may wait at once. */
  readonly ahead: number;
  readonly dataFolder: string;
  readonly clock: Clock;
}

/** Nobody took a segment for so long: recovery has stopped, or waits for something else. */
const idleMs = 60_000;
const lookEveryMs = 1000;

/**
 * Looks after a spool while it is filled: aborts `signal` when the server that recovers is gone or another one runs in its folder, and
 * when nobody takes what waits.
 */
export class SpoolWatch {
  readonly #options: AttendOptions;
  readonly #run: string;
  readonly #stopping = new AbortController();
  readonly #watcher: ReturnType<typeof watch>;
  readonly #timer: NodeJS.Timeout;
  #waiting: readonly string[] = [];
  #changedAtMs: number;
  #changed = new Pulse();

  private constructor(options: AttendOptions, run: string) {
    this.#options = options;
    this.#run = run;
    this.#changedAtMs = options.clock.elapsedMs();
    this.#watcher = watch(options.spool.ready, () => this.#wake());
    this.#watcher.on('error', () => this.#wake()); // the spool was removed: the next look finds that out
    this.#timer = setInterval(() => void this.#look(), lookEveryMs);
  }

  /** Undefined where no server runs: then nobody asks for the segments that follow. */
  static async begin(options: AttendOptions): Promise<SpoolWatch | undefined> {
    const run = await readServerRun(options.dataFolder);
    return run === undefined ? undefined : new SpoolWatch(options, run);
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Resolves with true when fewer than `most` segments wait, with false when waiting is over for good. */
  async waitForRoom(most: number = this.#options.ahead): Promise<boolean> {
    while (!this.signal.aborted) {
      const changed = this.#changed; // taken before the look, so that nothing is missed between the two
      if ((await this.#count()) < most) return true;
      await changed.promise;
    }
    return false;
  }

  /** Resolves when all that waits was taken, or when waiting is over for good. */
  async waitUntilEmpty(): Promise<void> {
    await this.waitForRoom(1);
  }

  /** Resolves with true after `pauseMs`, with false as soon as nothing waits any more or waiting is over for good. */
  async pauseWhileSomeWait(pauseMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const overAtMs = clock.elapsedMs() + pauseMs;
    const timer = setTimeout(() => this.#wake(), pauseMs);
    try {
      while (!this.signal.aborted) {
        const changed = this.#changed;
        if ((await this.#count()) === 0) return false;
        if (clock.elapsedMs() >= overAtMs) return true;
        await changed.promise;
      }
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watcher.close();
  }

  #wake(): void {
    const { resolve } = this.#changed;
    this.#changed = new Pulse();
    resolve();
  }

  async #look(): Promise<void> {
    if (!(await this.#isWanted().catch(() => false))) this.#stopping.abort(); // nobody recovers in a folder that cannot be read
    this.#wake();
  }

  async #isWanted(): Promise<boolean> {
    const isIdle = (await this.#count()) > 0 && this.#options.clock.elapsedMs() - this.#changedAtMs > idleMs;
    return !isIdle && (await readServerRun(this.#options.dataFolder)) === this.#run;
  }

  async #count(): Promise<number> {
    const names = await readyNames(this.#options.spool);
    if (names.join() !== this.#waiting.join()) this.#changedAtMs = this.#options.clock.elapsedMs();
    this.#waiting = names;
    return names.length;
  }
}

/** Lets any number of waiters go on at once. */
class Pulse {
  readonly promise: Promise<void>;
  resolve: () => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
}

/** What tells one run of a server from the next: process id, folder and start time, the first lines of `postmaster.pid`. */
async function readServerRun(dataFolder: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dataFolder, 'postmaster.pid'), 'utf8')).split('\n', 3).join('\n');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
