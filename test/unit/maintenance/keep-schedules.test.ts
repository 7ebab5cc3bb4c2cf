import { describe, expect, test } from 'vitest';
import { parseBackupSchedule } from '../../../src/maintenance/backup-schedule.ts';
import {
  type ScheduledServer,
  ScheduleKeeper,
  type ScheduleState,
  type ScheduleWork,
} from '../../../src/maintenance/keep-schedules.ts';
import type { Clock } from '../../../src/shared/clock.ts';
import { silentLog } from '../../../src/shared/log.ts';

/** Time that passes only when the test says so; whoever sleeps wakes in the order of the times. */
class FakeClock implements Clock {
  #now: number;
  #sleepers: { until: number; wake: () => void }[] = [];

  constructor(now: string) {
    this.#now = Date.parse(now);
  }

  now(): Date {
    return new Date(this.#now);
  }

  elapsedMs(): number {
    return this.#now;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const sleeper = { until: this.#now + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(new Error('woken'));
      });
      if (signal?.aborted === true) reject(new Error('woken'));
    });
  }

  /** Lets time pass up to an instant, waking everybody whose time comes on the way. */
  async passTo(instant: string): Promise<void> {
    const target = Date.parse(instant);
    await settle();
    for (;;) {
      const next = this.#sleepers.toSorted((a, b) => a.until - b.until)[0];
      if (next === undefined || next.until > target) break;
      this.#now = Math.max(this.#now, next.until);
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      next.wake();
      await settle();
    }
    this.#now = target;
    await settle();
  }
}

/** Lets everything run that needs no time. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

interface World extends ScheduleWork {
  readonly keeper: ScheduleKeeper;
  readonly clock: FakeClock;
  readonly begun: string[];
  readonly states: ScheduleState[];
  readonly running: Promise<void>;
  maintained: number;
  servers: ScheduledServer[];
  /** Ends the backup of a server that was told to last. */
  readonly lasting: Map<string, () => void>;
  stop(): void;
}

interface Given {
  readonly now: string;
  readonly schedules: Readonly<Record<string, string>>;
  readonly newest?: Readonly<Record<string, string>>;
  /** Servers whose backups last until the test ends them. */
  readonly slow?: readonly string[];
  readonly backUp?: (server: string, planned: Date) => 'ended' | 'already-taken' | 'busy' | Error;
  readonly concurrentBackups?: number;
  readonly load?: () => void;
}

const scheduled = (schedules: Given['schedules']): ScheduledServer[] =>
  Object.entries(schedules).map(([name, text]) => ({ name, schedule: parseBackupSchedule(text) }));

async function aWorld({ now, schedules, newest = {}, slow = [], backUp, concurrentBackups = 2, load }: Given): Promise<World> {
  const clock = new FakeClock(now);
  const stopping = new AbortController();
  const world = {
    clock,
    begun: [] as string[],
    states: [] as ScheduleState[],
    maintained: 0,
    servers: scheduled(schedules),
    lasting: new Map<string, () => void>(),
    load: () => {
      load?.();
      return world.servers;
    },
    newestBegun: (name: string) => Promise.resolve(newest[name] === undefined ? undefined : new Date(newest[name])),
    maintain: () => {
      world.maintained++;
      return Promise.resolve();
    },
    backUp: async (name: string, planned: Date) => {
      world.begun.push(`${name} ${clock.now().toISOString().slice(5, 19)}`);
      const outcome = backUp?.(name, planned) ?? 'ended';
      if (outcome instanceof Error) throw outcome;
      if (slow.includes(name)) await new Promise<void>((resolve) => world.lasting.set(name, resolve));
      return outcome;
    },
    tell: (state: ScheduleState) => void world.states.push(state),
    stop: () => stopping.abort(),
  };
  const keeper = new ScheduleKeeper(world, {
    clock,
    log: silentLog,
    signal: stopping.signal,
    maintenanceEveryMs: 60_000,
    concurrentBackups,
  });
  const running = keeper.run();
  await settle();
  return Object.assign(world, { keeper, running });
}

describe('maintenance', () => {
  test('is done immediately and then at each full minute', async () => {
    const world = await aWorld({ now: '2026-06-01T00:00:20Z', schedules: {} });
    expect(world.maintained).toBe(1);
    await world.clock.passTo('2026-06-01T00:00:59Z');
    expect(world.maintained).toBe(1);
    await world.clock.passTo('2026-06-01T00:05:00Z');
    expect(world.maintained).toBe(6);
    world.stop();
    await world.running;
  });
});

describe('backups', () => {
  test('are taken at their times over both changes of the clocks, in two zones', async () => {
    const schedules = { berlin: '30 2 * * * Europe/Berlin', york: '30 1 * * * America/New_York' };
    const world = await aWorld({ now: '2026-10-24T12:00:00Z', schedules });
    await world.clock.passTo('2026-10-26T12:00:00Z');
    expect(world.begun).toEqual([
      'berlin 10-25T00:30:00',
      'york 10-25T05:30:00',
      'berlin 10-26T01:30:00', // winter time: an hour later, and once
      'york 10-26T05:30:00',
    ]);
    world.stop();
    await world.running;
    const spring = await aWorld({ now: '2026-03-28T12:00:00Z', schedules });
    await spring.clock.passTo('2026-03-30T12:00:00Z');
    expect(spring.begun).toEqual([
      'berlin 03-29T01:00:00',
      'york 03-29T05:30:00',
      'berlin 03-30T00:30:00',
      'york 03-30T05:30:00',
    ]);
    spring.stop();
    await spring.running;
  });

  test('that were missed while nobody was there are caught up once', async () => {
    const schedules = { late: '0 1 * * * UTC', intime: '0 1 * * * UTC', fresh: '0 1 * * * UTC' };
    const newest = { late: '2026-06-05T01:00:02Z', intime: '2026-06-10T01:00:02Z' };
    const world = await aWorld({ now: '2026-06-10T12:00:00Z', schedules, newest });
    expect(world.begun).toEqual(['late 06-10T12:00:00']);
    await world.clock.passTo('2026-06-11T02:00:00Z');
    expect(world.begun.slice(1).toSorted()).toEqual(['fresh 06-11T01:00:00', 'intime 06-11T01:00:00', 'late 06-11T01:00:00']);
    world.stop();
    await world.running;
  });

  test('that somebody else has begun meanwhile are not taken again', async () => {
    const world = await aWorld({
      now: '2026-06-10T00:00:00Z',
      schedules: { main: '0 1 * * * UTC' },
      backUp: () => 'already-taken',
    });
    await world.clock.passTo('2026-06-11T00:59:00Z');
    expect(world.begun).toHaveLength(1);
    world.stop();
    await world.running;
  });

  test('wait while another backup of the server runs, and are then taken', async () => {
    let isBusy = true;
    const world = await aWorld({
      now: '2026-06-10T00:59:00Z',
      schedules: { main: '0 1 * * * UTC' },
      backUp: () => (isBusy ? 'busy' : 'ended'),
    });
    await world.clock.passTo('2026-06-10T01:00:25Z');
    isBusy = false;
    await world.clock.passTo('2026-06-10T02:00:00Z');
    expect(world.begun).toEqual(['main 06-10T01:00:00', 'main 06-10T01:00:10', 'main 06-10T01:00:20', 'main 06-10T01:00:30']);
    world.stop();
    await world.running;
  });

  test('that fail are not tried again before their next time', async () => {
    const world = await aWorld({
      now: '2026-06-10T00:59:00Z',
      schedules: { main: '0 1 * * * UTC' },
      backUp: () => new Error('no'),
    });
    await world.clock.passTo('2026-06-11T01:00:00Z');
    expect(world.begun).toEqual(['main 06-10T01:00:00', 'main 06-11T01:00:00']);
    world.stop();
    await world.running;
  });

  test('never overlap on one server, and times that pass meanwhile are left out', async () => {
    const world = await aWorld({ now: '2026-06-10T00:59:59Z', schedules: { main: '*/10 * * * * UTC' }, slow: ['main'] });
    await world.clock.passTo('2026-06-10T01:35:00Z');
    expect(world.begun).toEqual(['main 06-10T01:00:00']);
    world.lasting.get('main')?.();
    await world.clock.passTo('2026-06-10T01:40:00Z');
    expect(world.begun).toEqual(['main 06-10T01:00:00', 'main 06-10T01:40:00']);
    world.stop();
    await settle();
    world.lasting.get('main')?.();
    await world.running;
  });

  test('of several servers run so many at a time, who waits longest first', async () => {
    const schedules = { a: '0 1 * * * UTC', b: '0 1 * * * UTC', c: '59 0 * * * UTC' };
    const world = await aWorld({ now: '2026-06-10T00:58:00Z', schedules, slow: ['a', 'b', 'c'], concurrentBackups: 1 });
    await world.clock.passTo('2026-06-10T01:10:00Z');
    expect(world.begun).toEqual(['c 06-10T00:59:00']);
    world.lasting.get('c')?.();
    await world.clock.passTo('2026-06-10T01:11:00Z');
    world.lasting.get('a')?.();
    await world.clock.passTo('2026-06-10T01:12:00Z');
    expect(world.begun.map((line) => line.slice(0, 1))).toEqual(['c', 'a', 'b']);
    world.stop();
    await settle();
    world.lasting.get('b')?.();
    await world.running;
  });
});

describe('reading the configuration again', () => {
  test('takes new schedules, and what stayed the same keeps its time', async () => {
    const world = await aWorld({ now: '2026-06-10T00:00:00Z', schedules: { main: '0 1 * * * UTC', gone: '0 1 * * * UTC' } });
    world.servers = scheduled({ main: '0 1 * * * UTC', added: '30 0 * * * UTC' });
    world.keeper.reload();
    await world.clock.passTo('2026-06-10T02:00:00Z');
    expect(world.begun).toEqual(['added 06-10T00:30:00', 'main 06-10T01:00:00']);
    expect(world.states.map(({ kind }) => kind)).toEqual(['ready', 'reloading', 'ready']);
    world.stop();
    await world.running;
  });

  test('that cannot be read leaves the schedules as they were', async () => {
    let isBroken = false;
    const load = (): void => {
      if (isBroken) throw new Error('a mistake in line 3');
    };
    const world = await aWorld({ now: '2026-06-10T00:00:00Z', schedules: { main: '0 1 * * * UTC' }, load });
    isBroken = true;
    world.keeper.reload();
    await world.clock.passTo('2026-06-10T02:00:00Z');
    expect(world.begun).toEqual(['main 06-10T01:00:00']);
    world.stop();
    await world.running;
  });

  test('while a backup runs begins no second one of that server', async () => {
    const world = await aWorld({ now: '2026-06-10T00:59:59Z', schedules: { main: '0 1 * * * UTC' }, slow: ['main'] });
    await world.clock.passTo('2026-06-10T01:00:00Z');
    world.servers = scheduled({ main: '*/5 * * * * UTC' });
    world.keeper.reload();
    await world.clock.passTo('2026-06-10T01:30:00Z');
    expect(world.begun).toHaveLength(1);
    world.stop();
    await settle();
    world.lasting.get('main')?.();
    await world.running;
  });
});

test('told to stop, nothing new is begun, and what runs is ended first', async () => {
  const world = await aWorld({ now: '2026-06-10T00:59:59Z', schedules: { main: '0 1 * * * UTC' }, slow: ['main'] });
  await world.clock.passTo('2026-06-10T01:00:00Z');
  world.stop();
  await settle();
  expect(world.states.at(-1)).toEqual({ kind: 'draining', running: ['backup of main'] });
  let hasEnded = false;
  void world.running.then(() => {
    hasEnded = true;
  });
  await world.clock.passTo('2026-06-11T01:00:00Z');
  expect(hasEnded).toBe(false);
  world.lasting.get('main')?.();
  await world.running;
  expect(world.begun).toHaveLength(1);
});
