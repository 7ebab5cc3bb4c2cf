import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../shared/clock.ts';
import { isMissing } from '../shared/look.ts';
import { readyNames, type Spool } from './spool.ts';

interface WatchOptions {
  readonly spool: Spool;
  readonly dataFolder: string;
  readonly clock: Clock;
  /** Called when a segment came or was taken, and from time to time. */
  readonly onChange: () => void;
}

/** Nobody took a segment for so long: recovery has stopped, or waits for something else. */
const idleMs = 60_000;
/** A connection of which nobody wants anything is kept for so long: longer than the pause of a standby that asks again. */
const lingerMs = 10_000;
const lookEveryMs = 1000;

/**
 * Looks after a spool: aborts `signal` when the server that recovers is gone or another one runs in its folder, when nobody takes what
 * waits, and soon after the last request when nothing waits.
 */
export class SpoolWatch {
  readonly #options: WatchOptions;
  readonly #run: string;
  readonly #stopping = new AbortController();
  readonly #watcher: ReturnType<typeof watch>;
  readonly #timer: NodeJS.Timeout;
  #waiting: readonly string[] = [];
  #activeAtMs: number;
  #workUnderWay = 0;
  #changed = new Pulse();

  private constructor(options: WatchOptions, run: string) {
    this.#options = options;
    this.#run = run;
    this.#activeAtMs = options.clock.elapsedMs();
    this.#watcher = watch(options.spool.ready, () => this.#wake());
    this.#watcher.on('error', () => this.#wake()); // the spool was removed: the next look finds that out
    this.#timer = setInterval(() => void this.#look(), lookEveryMs);
  }

  /** Undefined where no server runs: then nobody asks for the segments that follow. */
  static async begin(options: WatchOptions): Promise<SpoolWatch | undefined> {
    const run = await readServerRun(options.dataFolder);
    return run === undefined ? undefined : new SpoolWatch(options, run);
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Names that wait now. */
  waiting(): readonly string[] {
    const names = readyNames(this.#options.spool);
    if (names.join() !== this.#waiting.join()) this.noteActivity();
    this.#waiting = names;
    return names;
  }

  /** Somebody asked for something, or was answered. */
  noteActivity(): void {
    this.#activeAtMs = this.#options.clock.elapsedMs();
  }

  /** Work goes on until the returned function is called: nobody is idle meanwhile. */
  beginWork(): () => void {
    this.#workUnderWay++;
    return () => {
      this.#workUnderWay--;
      this.noteActivity();
    };
  }

  /** Resolves with true after `pauseMs`, with false as soon as nothing waits any more or waiting is over for good. */
  async pauseWhileSomeWait(pauseMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const overAtMs = clock.elapsedMs() + pauseMs;
    const timer = setTimeout(() => this.#wake(), pauseMs);
    try {
      while (!this.signal.aborted) {
        const changed = this.#changed;
        if (this.waiting().length === 0) return false;
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
    this.#options.onChange();
  }

  async #look(): Promise<void> {
    if (!(await this.#isWanted().catch(() => false))) this.#stopping.abort(); // nobody recovers in a folder that cannot be read
    this.#wake();
  }

  async #isWanted(): Promise<boolean> {
    const patienceMs = this.waiting().length > 0 ? idleMs : lingerMs;
    const isIdle = this.#workUnderWay === 0 && this.#options.clock.elapsedMs() - this.#activeAtMs > patienceMs;
    return !isIdle && (await readServerRun(this.#options.dataFolder)) === this.#run;
  }
}

/** Lets any number of waiters go on together. */
class Pulse {
  readonly promise: Promise<void>;
  resolve: () => void = () => undefined;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
}

/** The identity of one run of a server: process id, folder and start time, the first lines of `postmaster.pid`. */
async function readServerRun(dataFolder: string): Promise<string | undefined> {
  try {
    return (await readFile(join(dataFolder, 'postmaster.pid'), 'utf8')).split('\n', 3).join('\n');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
