// The spool of restore_command: whatever happens to the processes, the disk, the server or the timeline, what is handed to recovery is
// the very segment that it asked for.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlive } from '../../src/shared/is-alive.ts';
import { namesIn } from '../helpers/archived-wals.ts';
import { openDelayedLink } from '../helpers/delayed-link.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { helperOf, openShipSite, type ShipSite, type Whose } from '../helpers/ship-site.ts';
import { canMount, mountSmallFileSystem } from '../helpers/small-file-system.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';

const mounts = await canMount();
const count = 24;
const large = { bytes: 16 << 20 };
/** Timeline 11 begins in this segment. */
const branch = 12;
const segments = new Map<string, Buffer>();

async function openFilledSite(remote: Whose): Promise<ShipSite> {
  const site = await openShipSite(remote);
  const incoming = await site.home.makeFolder('home/main/incoming');
  for (const [name, content] of segments) await writeFile(join(incoming, name), content);
  await runWell(['archive-wal', 'main'], { home: site.home });
  return site;
}

beforeAll(() => {
  for (let number = 1; number <= count; number++) segments.set(nameOfSegment(number), aSegment(number));
  for (let number = branch; number <= count; number++)
    segments.set(nameOfSegment(number, { timeline: 11 }), aSegment(number, { timeline: 11 }));
});

/** What a command line says about fetching ahead, and what follows from it. */
interface Way {
  readonly title: string;
  readonly words: readonly string[];
  /** Segments that recovery has to ask for before others are fetched ahead. */
  readonly first: number;
  /** Segments that wait at most. */
  readonly most: number;
}

const withParallel: Way = { title: '--parallel', words: ['-p', '4'], first: 1, most: 4 };
/** The way without an option begins with the second segment in order. */
const ways: readonly Way[] = [withParallel, { title: 'no option', words: [], first: 2, most: 8 }];

/** A recovery in a data folder, with a spool of its own. */
class Recovery {
  readonly #site: ShipSite;
  readonly #program: string;
  readonly #way: Way;
  readonly spool: string;
  readonly data: string;

  private constructor(site: ShipSite, program: string, { way, ...places }: { way: Way; spool: string; data: string }) {
    this.#site = site;
    this.#program = program;
    this.#way = way;
    this.spool = places.spool;
    this.data = places.data;
  }

  static async begin(site: ShipSite, title: string, way: Way = withParallel): Promise<Recovery> {
    const name = `${title}-${String(way.most)}`;
    const places = { spool: await site.home.makeFolder(`spool-${name}`), data: await site.makeDataFolder(`data-${name}`) };
    return new Recovery(site, await helperOf(site, 'wal-restore'), { way, ...places });
  }

  get destination(): string {
    return join(this.data, 'pg_wal', 'RECOVERYXLOG');
  }

  async run(name: string, ...options: readonly string[]): Promise<ProgramResult> {
    const words = [...this.#way.words, '--spool-dir', this.spool, '--retry-time', '0', ...options, '127.0.0.1', 'main', name];
    return await this.#site.run([this.#program, ...words, 'pg_wal/RECOVERYXLOG'], { cwd: this.data });
  }

  async ask(name: string, ...options: readonly string[]): Promise<number | undefined> {
    return (await this.run(name, ...options)).exitCode;
  }

  /** Asks for a segment that is there, and looks at what came. */
  async expectSegment(name: string, ...options: readonly string[]): Promise<void> {
    const { exitCode, stderr } = await this.run(name, ...options);
    expect({ name, exitCode, stderr }).toEqual({ name, exitCode: 0, stderr: '' });
    const content = await readFile(this.destination);
    expect({ name, isSame: content.equals(segments.get(name) ?? Buffer.alloc(0)) }).toEqual({ name, isSame: true });
    await rm(this.destination);
  }

  /** Takes as many segments as it needs that others are fetched ahead, and waits for those; gives their names. */
  async fetchAheadFrom(number: number, ...options: readonly string[]): Promise<string[]> {
    const { first, most } = this.#way;
    for (let taken = 0; taken < first; taken++) await this.expectSegment(nameOfSegment(number + taken), ...options);
    const coming = Array.from({ length: most }, (_, index) => nameOfSegment(number + first + index));
    await this.waitUntilWaiting(...coming.filter((name) => segments.has(name)));
    return coming;
  }

  /** Path of something in the spool. */
  async place(...below: readonly string[]): Promise<string> {
    const [folder = 'none'] = await readdir(this.spool);
    return join(this.spool, folder, ...below);
  }

  async waiting(): Promise<string[]> {
    return await namesIn(await this.place('ready')); // which goes for a moment when the spool is emptied
  }

  async waitUntilWaiting(...names: readonly string[]): Promise<void> {
    const explain = async () => (await this.waiting()).join();
    await waitFor(`${names.join()} wait`, async () => (await this.waiting()).join() === names.join(), { explain });
  }

  /** Who fills the spool. */
  async attendant(): Promise<number> {
    return Number((await readFile(await this.place('attendant'), 'utf8')).split(' ')[0]);
  }
}

const named = (...numbers: readonly number[]) => numbers.map((number) => nameOfSegment(number));

describe.each(ways)('restore_command with $title', (way) => {
  let site: ShipSite;
  beforeAll(async () => {
    site = await openFilledSite('ours');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test('goes over to another timeline, and back to an earlier segment', async () => {
    const recovery = await Recovery.begin(site, 'timelines', way);
    for (const name of named(9, 10, 11)) await recovery.expectSegment(name);
    for (const number of [12, 13, 14, 15]) await recovery.expectSegment(nameOfSegment(number, { timeline: 11 }));
    const coming = Array.from({ length: way.most }, (_, index) => nameOfSegment(16 + index, { timeline: 11 }));
    await recovery.waitUntilWaiting(...coming);
    for (const name of named(3, 4, 5)) await recovery.expectSegment(name);
  });

  test('fetches by itself when the process that answers is stopped, before or while it is asked, or answers too late', async () => {
    const recovery = await Recovery.begin(site, 'stopped', way);
    await recovery.expectSegment(nameOfSegment(1));
    const attendant = await recovery.attendant();
    process.kill(attendant, 'SIGSTOP');
    await recovery.expectSegment(nameOfSegment(10));
    process.kill(attendant, 'SIGCONT');
    await recovery.expectSegment(nameOfSegment(20));
    const farSide = (await site.home.processes()).filter(({ command }) => command.includes('send-wals'));
    for (const { pid } of farSide) process.kill(pid, 'SIGSTOP');
    const asked = recovery.expectSegment(nameOfSegment(10));
    await delay(300);
    process.kill(attendant, 'SIGSTOP');
    await asked;
    process.kill(attendant, 'SIGCONT');
    const path = await site.home.makeFolder('ssh'); // of the first programs that the script finds
    await writeFile(join(path, 'sleep'), '#!/bin/sh\n', { mode: 0o755 });
    await recovery.expectSegment(nameOfSegment(20));
    await rm(join(path, 'sleep'));
    for (const { pid } of farSide) process.kill(pid, 'SIGCONT');
    for (const name of named(1, 2, 3)) await recovery.expectSegment(name);
    expect(await recovery.attendant()).toBe(attendant);
  });

  test('leaves a spool alone that another process fills after its folder was removed', async () => {
    const recovery = await Recovery.begin(site, 'removed', way);
    await recovery.expectSegment(nameOfSegment(1));
    const attendant = await recovery.attendant();
    process.kill(attendant, 'SIGSTOP');
    await rm(await recovery.place(), { recursive: true });
    await writeFile(join(recovery.data, 'postmaster.pid'), `3\n${recovery.data}\n1764159999\n`);
    const [next = ''] = await recovery.fetchAheadFrom(5);
    process.kill(attendant, 'SIGCONT');
    await waitFor('it is gone', () => !isAlive(attendant));
    expect(await recovery.waiting()).toContain(next);
    await recovery.expectSegment(next);
  });

  test('of two clusters on one host never mixes their segments', async () => {
    const [one, two] = [await Recovery.begin(site, 'one', way), await Recovery.begin(site, 'two', way)];
    for (let number = 1; number <= 6; number++) {
      await one.expectSegment(nameOfSegment(number), '--spool-dir', one.spool);
      await two.expectSegment(nameOfSegment(number + 10), '--spool-dir', one.spool);
    }
    expect(await readdir(one.spool)).toHaveLength(2);
  });

  test('does not trust what a killed process left in the spool', async () => {
    const recovery = await Recovery.begin(site, 'killed', way);
    const [next = '', ...others] = await recovery.fetchAheadFrom(1);
    const attendant = await recovery.attendant();
    process.kill(attendant, 'SIGKILL');
    await waitFor('it is dead', () => !isAlive(attendant)); // its memory is gone earlier than the process
    await writeFile(await recovery.place('ready', next), 'not what it was');
    for (const name of [next, ...others.slice(0, 2)]) await recovery.expectSegment(name);
  });

  test('does not trust another process that got the id of the one that filled the spool', async () => {
    const recovery = await Recovery.begin(site, 'reused', way);
    const [next = ''] = await recovery.fetchAheadFrom(1);
    const [, ...rest] = (await readFile(await recovery.place('attendant'), 'utf8')).split(' ');
    const attendant = await recovery.attendant();
    process.kill(attendant, 'SIGKILL');
    await waitFor('it is dead', () => !isAlive(attendant));
    await writeFile(await recovery.place('attendant'), [String(process.pid), ...rest].join(' '));
    await writeFile(await recovery.place('ready', next), 'not what it was');
    await recovery.expectSegment(next);
  });

  test.each([
    { title: 'is gone', change: async (data: string) => await rm(join(data, 'postmaster.pid')) },
    {
      title: 'was started anew',
      change: async (data: string) => await writeFile(join(data, 'postmaster.pid'), `2\n${data}\n1764159999\n`),
    },
  ])('leaves the spool empty when the server $title', async ({ title, change }) => {
    const recovery = await Recovery.begin(site, title.replaceAll(' ', '-'), way);
    const [next = ''] = await recovery.fetchAheadFrom(1);
    await change(recovery.data);
    await recovery.waitUntilWaiting();
    await recovery.expectSegment(next);
  });

  test('without a running server fetches nothing ahead, and leaves no process behind', async () => {
    await killAttendants(site); // those of the tests before
    const recovery = await Recovery.begin(site, 'rewind', way);
    await rm(join(recovery.data, 'postmaster.pid'));
    for (const name of named(5, 6, 7)) await recovery.expectSegment(name);
    await waitFor('nobody attends to it', async () => {
      return (await site.home.processes()).every(({ command }) => !command.includes('wal-restore'));
    });
    expect(await readdir(recovery.spool)).toEqual([]);
  });

  test('goes on fetching ahead by itself when the backup host was away', async () => {
    await expectReconnection(site, way);
  });

  test('removes the spools that a reboot left behind', async () => {
    const recovery = await Recovery.begin(site, 'reboot', way);
    const old = join(recovery.spool, 'pgcellar-wal-00000000+barman+host++++main+data');
    await mkdir(join(old, 'ready'), { recursive: true });
    await writeFile(join(old, 'ready', nameOfSegment(2)), '');
    await mkdir(join(recovery.spool, 'pgcellar-wal-of-somebody-else'));
    await recovery.expectSegment(nameOfSegment(1));
    await waitFor('it is gone', () => !existsSync(old));
    expect(await readdir(recovery.spool)).toContain('pgcellar-wal-of-somebody-else');
  });

  test('hands out the very segments, however often any of its processes is killed', async () => {
    const recovery = await Recovery.begin(site, 'sweep', way);
    let killed = 0;
    for (let number = 1; number <= 10; number++) {
      const name = nameOfSegment(number);
      const asked = recovery.ask(name);
      await delay(Math.random() * 150);
      for (const { pid, command } of await site.home.processes()) {
        if (!command.includes('wal-restore') || Math.random() < 0.3) continue;
        try {
          process.kill(pid, 'SIGKILL');
          killed++;
        } catch {
          // it has ended by itself
        }
      }
      const exitCode = await asked;
      if (exitCode === 0)
        expect((await readFile(recovery.destination)).equals(segments.get(name) ?? Buffer.alloc(0))).toBe(true);
      await rm(recovery.destination, { force: true });
      await recovery.expectSegment(name);
    }
    expect(killed).toBeGreaterThan(0);
  });

  test.skipIf(!mounts)('goes on without a spool when its disk is full, and with it when there is room again', async () => {
    await using disk = await mountSmallFileSystem({ sizeMib: 3 });
    const recovery = await Recovery.begin(site, 'full', way);
    const words = ['--spool-dir', disk.path];
    for (const name of named(1, 2, 3, 4, 5, 6)) await recovery.expectSegment(name, ...words);
    await writeFile(join(disk.path, 'filler'), Buffer.alloc(3 << 20)).catch(() => undefined);
    for (const name of named(10, 11, 12)) await recovery.expectSegment(name, ...words);
    await rm(join(disk.path, 'filler'));
    for (const name of named(7, 8, 9)) await recovery.expectSegment(name, ...words);
    await waitFor('nobody writes there', async () => (await killAttendants(site)) === 0);
  });

  test.skipIf(!mounts)('tells a destination that is full, hands over nothing, and works when there is room', async () => {
    await using disk = await mountSmallFileSystem({ sizeMib: 1 });
    const recovery = await Recovery.begin(site, 'destination', way);
    const program = await helperOf(site, 'wal-restore');
    const target = join(disk.path, 'RECOVERYXLOG');
    const fetch = async (...words: readonly string[]) =>
      await site.run([program, ...way.words, ...words, '127.0.0.1', 'main', nameOfSegment(1), target], { cwd: recovery.data });
    await writeFile(join(disk.path, 'filler'), Buffer.alloc(200_000));
    const refused = await fetch();
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('ENOSPC') as string });
    expect((await fetch('--strict')).exitCode).toBeGreaterThan(125);
    expect(await readdir(disk.path)).toEqual(['filler']);
    await rm(join(disk.path, 'filler'));
    expect((await fetch()).exitCode).toBe(0);
  });

  test('answers through one login what is there, what is not, what was asked before, and what is still being received', async () => {
    const recovery = await Recovery.begin(site, 'login', way);
    const streaming = await site.home.makeFolder('home/main/streaming');
    const received = nameOfSegment(40);
    await writeFile(join(streaming, `${received}.partial`), aSegment(40));
    const before = await site.logins();
    expect(await recovery.run('0000000C.history')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^ERROR: .*0000000C\.history/) as string,
    });
    for (const name of [...named(1, 1, 2, 3, 4, 5, 6), nameOfSegment(12, { timeline: 11 })]) await recovery.expectSegment(name);
    expect(await recovery.ask(nameOfSegment(99), '--strict')).toBe(1);
    expect(await recovery.ask(received)).toBe(1);
    expect(await recovery.ask(received, '-P')).toBe(0);
    expect(await recovery.ask('0000000C.history')).toBe(1);
    expect((await site.logins()) - before).toBe(1);
    await rm(join(streaming, `${received}.partial`));
  });
});

describe('a restore_command whose command line does not say whether to fetch ahead', () => {
  let site: ShipSite;
  beforeAll(async () => {
    site = await openFilledSite('ours');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test('fetches nothing ahead for somebody who asks for one segment, or out of order, and is gone soon', async () => {
    const recovery = await Recovery.begin(site, 'single', ways[1]);
    for (const name of named(5, 5, 9, 3)) await recovery.expectSegment(name);
    expect(await recovery.waiting()).toEqual([]);
    await waitFor('its processes have ended', async () => (await site.home.processes()).length === 0);
  });

  test('shares a long way to the backup host between several logins, and hands out the very segments', async () => {
    await using far = await openShipSite('ours');
    const content = new Map(
      Array.from({ length: 16 }, (_, index) => [nameOfSegment(index + 1, large), aSegment(index + 1, large)]),
    );
    const incoming = await far.home.makeFolder('home/main/incoming');
    for (const [name, bytes] of content) await writeFile(join(incoming, name), bytes);
    await runWell(['archive-wal', 'main'], { home: far.home });
    await using link = await openDelayedLink(far.port, 15);
    await far.addSshOptions(`-o Port=${String(link.port)} -o HostKeyAlias=[127.0.0.1]:${String(far.port)}`);
    const recovery = await Recovery.begin(far, 'far', ways[1]);
    expect(await recovery.ask('0000000C.history')).toBe(1);
    for (const [name, bytes] of content) {
      expect(await recovery.ask(name)).toBe(0);
      expect((await readFile(recovery.destination)).equals(bytes)).toBe(true);
    }
    expect(await far.logins()).toBeGreaterThan(1);
    await rm(join(recovery.data, 'postmaster.pid'));
    await waitFor('its processes have ended', async () => (await far.home.processes()).length === 0);
  });

  test('has no file open that the server had open when it called', async () => {
    const recovery = await Recovery.begin(site, 'open', ways[1]);
    const file = join(recovery.data, 'relation');
    await writeFile(file, 'removed soon');
    const words = [await helperOf(site, 'wal-restore'), '--spool-dir', recovery.spool, '127.0.0.1', 'main', nameOfSegment(1)];
    const { argv, env } = site.command([...words, 'pg_wal/RECOVERYXLOG']);
    const opening = ['sh', '-c', 'exec 8<"$0"; exec "$@"', file, ...argv];
    expect(await runProgram(opening, { env, cwd: recovery.data })).toMatchObject({ exitCode: 0, stderr: '' });
    const open = join('/proc', String(await recovery.attendant()), 'fd');
    const targets = await Promise.all(
      (await readdir(open)).map(async (name) => await readlink(join(open, name)).catch(() => '')),
    );
    expect(targets.filter((target) => target.startsWith(recovery.data))).toEqual([]);
  });

  test.each(['0', '1'])('with -p %s leaves no process behind', async (number) => {
    await killAttendants(site); // those of the tests before
    const recovery = await Recovery.begin(site, `off-${number}`, { ...withParallel, words: ['-p', number] });
    for (const name of named(1, 2, 3)) await recovery.expectSegment(name);
    expect(await site.home.processes()).toEqual([]);
    expect(await readdir(recovery.spool)).toEqual([]);
  });

  test('fetches nothing ahead when restore_ahead of the server is off, unless -p says so', async () => {
    await site.home.writeServer('main', {
      conninfo: 'host=127.0.0.1 port=1',
      archiver: true,
      backup_method: 'postgres',
      restore_ahead: false,
    });
    const recovery = await Recovery.begin(site, 'forbidden', ways[1]);
    for (const name of named(1, 2, 3)) await recovery.expectSegment(name);
    expect(await recovery.waiting()).toEqual([]);
    await (await Recovery.begin(site, 'allowed')).fetchAheadFrom(1);
  });
});

/** The backup host is rebooted while segments wait; the process that fetched them is the one that fetches on. */
async function expectReconnection(site: ShipSite, way: Way): Promise<void> {
  const recovery = await Recovery.begin(site, 'reconnect', way);
  const [first = '', second = '', ...others] = await recovery.fetchAheadFrom(1);
  const attendant = await recovery.attendant();
  await site.stopSsh();
  try {
    for (const name of [first, second]) await recovery.expectSegment(name);
  } finally {
    await site.restartSsh();
  }
  const last = way.first + way.most;
  const coming = [...others, ...named(last + 1, last + 2)];
  await recovery.waitUntilWaiting(...coming);
  expect(await recovery.attendant()).toBe(attendant);
  for (const name of [...coming, nameOfSegment(last + 3)]) await recovery.expectSegment(name);
}

/** How many there were. */
async function killAttendants(site: ShipSite): Promise<number> {
  const found = (await site.home.processes()).filter(({ command }) => command.includes('wal-restore'));
  for (const { pid } of found) process.kill(pid, 'SIGKILL');
  return found.length;
}

describe('restore_command with --strict', () => {
  let site: ShipSite;
  beforeAll(async () => {
    site = await openFilledSite('ours');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test('has an exit code up to 125 for a file that is surely not there, and for nothing else', async () => {
    const program = await helperOf(site, 'wal-restore');
    const run = async (...words: readonly string[]) => (await site.run([program, '--strict', ...words])).exitCode;
    const here = 'pg_wal/RECOVERYXLOG';
    expect(await run('127.0.0.1', 'main', nameOfSegment(99), here)).toBe(1);
    expect(await run('127.0.0.1', 'main', '0000000C.history', here)).toBe(1);
    expect(await run('127.0.0.1', 'nobody', nameOfSegment(1), here)).toBeGreaterThan(125);
    expect(await run('-c', '/nowhere', '127.0.0.1', 'main', nameOfSegment(1), here)).toBeGreaterThan(125);
    expect(await run('--program', 'nobody', '127.0.0.1', 'main', nameOfSegment(1), here)).toBeGreaterThan(125);
    expect(await run('127.0.0.1', 'main', nameOfSegment(1), 'nowhere/RECOVERYXLOG')).toBeGreaterThan(125);
    await mkdir(join(site.home.server('main', 'wals'), '0000000100000000', nameOfSegment(50)));
    expect(await run('127.0.0.1', 'main', nameOfSegment(50), here)).toBeGreaterThan(125);
    await writeFile(join(site.home.server('main', 'incoming'), nameOfSegment(51)), aSegment(52));
    expect(await run('127.0.0.1', 'main', nameOfSegment(51), here)).toBeGreaterThan(125);
    expect(await run('127.0.0.1', 'main', nameOfSegment(2), here)).toBe(0);
    const lenient = ['--program', 'nobody', '127.0.0.1', 'main', nameOfSegment(1), here];
    expect((await site.run([program, ...lenient])).exitCode).toBe(125);
  });

  test('refuses a segment of another cluster', async () => {
    const program = await helperOf(site, 'wal-restore');
    await writeFile(join(site.home.server('main', 'incoming'), nameOfSegment(60)), aSegment(60, { systemid: 1n }));
    const result = await site.run([program, '127.0.0.1', 'main', nameOfSegment(60), 'pg_wal/RECOVERYXLOG']);
    expect(result).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('another cluster') as string });
  });
});

describe('restore_command with --partial', () => {
  let site: ShipSite;
  beforeAll(async () => {
    site = await openFilledSite('ours');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test('takes what was received of a segment, and nothing that is still empty', async () => {
    const program = await helperOf(site, 'wal-restore');
    const streaming = await site.home.makeFolder('home/main/streaming');
    const run = async (...words: readonly string[]) =>
      (await site.run([program, ...words, '127.0.0.1', 'main', nameOfSegment(30), 'pg_wal/RECOVERYXLOG'])).exitCode;
    const partial = join(streaming, `${nameOfSegment(30)}.partial`);
    for (const nothing of [Buffer.alloc(0), Buffer.alloc(1 << 20)]) {
      await writeFile(partial, nothing);
      expect(await run('-P')).toBe(1);
      expect(await run('-P', '--strict')).toBe(1);
    }
    const content = aSegment(30);
    await writeFile(partial, content);
    expect(await run()).toBe(1);
    expect(await run('-P')).toBe(0);
    expect((await readFile(join(site.data, 'pg_wal', 'RECOVERYXLOG'))).equals(content)).toBe(true);
  });
});

describeWithOracle('restore_command with a real Barman on the backup host', () => {
  test.each(ways)('goes on fetching ahead by itself when the backup host was away, with $title', async (way) => {
    await using site = await openFilledSite('real Barman');
    await expectReconnection(site, way);
  });

  test('fetches ahead, and never a partial segment', async () => {
    await using site = await openFilledSite('real Barman');
    const streaming = await site.home.makeFolder('home/main/streaming');
    await writeFile(join(streaming, `${nameOfSegment(count + 1)}.partial`), aSegment(count + 1));
    const recovery = await Recovery.begin(site, 'barman');
    await recovery.expectSegment(nameOfSegment(count - 3), '-P', '--strict');
    await recovery.waitUntilWaiting(...named(count - 2, count - 1, count));
    await site.stopSsh();
    for (const name of named(count - 2, count - 1, count)) await recovery.expectSegment(name);
    expect(await recovery.ask(nameOfSegment(count + 1), '-P')).toBe(2);
  });
});
