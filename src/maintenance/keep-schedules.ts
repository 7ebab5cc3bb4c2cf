import type { Clock } from '../shared/clock.ts';
import type { Log } from '../shared/log.ts';
import { messageOf } from '../shared/operator-error.ts';
import type { BackupSchedule } from './backup-schedule.ts';
import { firstPlanned, plannedAfter } from './plan-backup.ts';

/** A server that has a schedule. */
export interface ScheduledServer {
  readonly name: string;
  readonly schedule: BackupSchedule;
}

/** The world around the schedules, so that a test can be another one. */
export interface ScheduleWork {
  /** Reads the servers that have a schedule. @throws OperatorError when the configuration cannot be read */
  readonly load: () => readonly ScheduledServer[];
  /** When the newest backup in the catalog was begun, whatever became of it. */
  readonly newestBegun: (server: string) => Promise<Date | undefined>;
  /** One pass of maintenance; resolves when it has ended. */
  readonly maintain: () => Promise<void>;
  /**
   * Takes the backup that was planned for `planned`, unless somebody else has begun one since or is about to: the lock of the server's
   * schedule decides. `busy` means that nothing was done because a backup or another scheduler is at work.
   */
  readonly backUp: (server: string, planned: Date) => Promise<'ended' | 'already-taken' | 'busy'>;
  /** Tells the service manager, and whoever looks on. */
  readonly tell: (state: ScheduleState) => void;
}

export type ScheduleState =
  | { readonly kind: 'ready'; readonly next: ReadonlyMap<string, Date> }
  | { readonly kind: 'reloading' }
  | { readonly kind: 'draining'; readonly running: readonly string[] };

interface Options {
  readonly clock: Clock;
  readonly log: Log;
  /** Aborts when nothing new is to be begun. */
  readonly signal: AbortSignal;
  readonly maintenanceEveryMs: number;
  /** Most backups at a time. */
  readonly concurrentBackups: number;
}

/** Of a server whose backup could not begin because of another one. */
const askAgainMs = 10_000;
/** A sleep is never longer: the clock may be set, and the host may have slept. */
const longestSleepMs = 60_000;

interface Plan {
  readonly server: ScheduledServer;
  /** The next schedule. */
  planned: Date;
  /** Not before; later than `planned` when something was in the way. */
  notBefore: Date;
  isRunning: boolean;
}

/** Keeps the backup schedules of all servers, and does maintenance at regular times, until it is told to stop. */
export class ScheduleKeeper {
  readonly #work: ScheduleWork;
  readonly #options: Options;
  readonly #running = new Map<string, Promise<void>>();
  #plans = new Map<string, Plan>();
  #wake = new AbortController();
  #isReloadWanted = false;
  #nextMaintenance: Date;

  constructor(work: ScheduleWork, options: Options) {
    this.#work = work;
    this.#options = options;
    this.#nextMaintenance = options.clock.now();
  }

  /** Reads the configuration again before anything else is begun; what runs goes on. */
  reload(): void {
    this.#isReloadWanted = true;
    this.#wake.abort();
  }

  /**
   * Runs until the signal aborts and all work has ended.
   * @throws OperatorError when the configuration cannot be read at the start; later the last one that could be read stays
   */
  async run(): Promise<void> {
    const { clock, signal } = this.#options;
    await this.#load();
    signal.addEventListener('abort', () => this.#wake.abort(), { once: true });
    while (!signal.aborted) {
      if (this.#isReloadWanted) await this.#reload();
      this.#beginWhatIsDue(clock.now());
      await this.#sleep(clock.now());
    }
    this.#work.tell({ kind: 'draining', running: [...this.#running.keys()] });
    await Promise.all(this.#running.values());
  }

  async #reload(): Promise<void> {
    this.#isReloadWanted = false;
    this.#work.tell({ kind: 'reloading' });
    try {
      await this.#load();
    } catch (error) {
      this.#options.log.error(`the configuration cannot be read, so the schedules stay as they were: ${messageOf(error)}`);
      this.#tellReady();
    }
  }

  /** A server whose schedule stayed the same keeps its plan, also one that it is about to miss. */
  async #load(): Promise<void> {
    const plans = new Map<string, Plan>();
    for (const server of this.#work.load()) {
      const known = this.#plans.get(server.name);
      const isSame = known?.server.schedule.text === server.schedule.text;
      plans.set(server.name, isSame ? known : await this.#planFor(server, known?.isRunning ?? false));
    }
    this.#plans = plans;
    this.#tellReady();
  }

  async #planFor(server: ScheduledServer, isRunning: boolean): Promise<Plan> {
    const planned = firstPlanned(server.schedule, await this.#work.newestBegun(server.name), this.#options.clock.now());
    return { server, planned, notBefore: planned, isRunning };
  }

  #tellReady(): void {
    const next = [...this.#plans.values()].map(({ server, planned }) => [server.name, planned] as const);
    this.#work.tell({ kind: 'ready', next: new Map(next) });
  }

  #beginWhatIsDue(now: Date): void {
    if (now >= this.#nextMaintenance) {
      this.#nextMaintenance = nextOf(now, this.#options.maintenanceEveryMs);
      this.#begin('maintenance', this.#work.maintain); // one that still runs is not begun again
    }
    for (const plan of this.#inOrder()) {
      if (plan.isRunning || now < plan.notBefore || this.#backupsRunning() >= this.#options.concurrentBackups) continue;
      plan.isRunning = true;
      this.#begin(`backup of ${plan.server.name}`, () => this.#keep(plan));
    }
  }

  /** The server that waits longest comes first. */
  #inOrder(): Plan[] {
    return [...this.#plans.values()].toSorted((a, b) => a.notBefore.getTime() - b.notBefore.getTime());
  }

  #backupsRunning(): number {
    return [...this.#running.keys()].filter((name) => name !== 'maintenance').length;
  }

  async #keep(plan: Plan): Promise<void> {
    const { clock } = this.#options;
    try {
      const outcome = await this.#work.backUp(plan.server.name, plan.planned);
      if (outcome === 'busy') plan.notBefore = new Date(clock.now().getTime() + askAgainMs);
      else this.#planAfter(plan);
    } catch (error) {
      this.#planAfter(plan); // a backup that fails is not tried again until its next time
      throw error;
    } finally {
      plan.isRunning = false;
      const current = this.#plans.get(plan.server.name);
      if (current !== undefined) current.isRunning = false; // a reload may have made another plan meanwhile
    }
  }

  #planAfter(plan: Plan): void {
    plan.planned = plannedAfter(plan.server.schedule, plan.planned, this.#options.clock.now());
    plan.notBefore = plan.planned;
  }

  #begin(name: string, work: () => Promise<void>): void {
    if (this.#running.has(name)) return;
    const running = work()
      .catch((error: unknown) => this.#options.log.error(`${name} failed: ${messageOf(error)}`))
      .finally(() => {
        this.#running.delete(name);
        this.#wake.abort();
      });
    this.#running.set(name, running);
  }

  async #sleep(now: Date): Promise<void> {
    const { clock, signal } = this.#options;
    if (signal.aborted || this.#isReloadWanted) return;
    const isFull = this.#backupsRunning() >= this.#options.concurrentBackups;
    const waiting = [...this.#plans.values()].filter(({ isRunning }) => !isRunning && !isFull);
    const times = [this.#nextMaintenance, ...waiting.map(({ notBefore }) => notBefore)].map(
      (time) => time.getTime() - now.getTime(),
    );
    const ms = Math.max(0, Math.min(longestSleepMs, ...times));
    const wake = new AbortController();
    this.#wake = wake;
    await clock.sleep(ms, wake.signal).catch((error: unknown) => {
      if (!wake.signal.aborted) throw error;
    });
  }
}

/** The next multiple of the interval: each full minute for an interval of one. */
function nextOf(now: Date, everyMs: number): Date {
  return new Date((Math.floor(now.getTime() / everyMs) + 1) * everyMs);
}
