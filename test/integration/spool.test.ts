// The spool of restore_command: whatever happens to the processes, the disk, the server or the timeline, what is handed to recovery is
// the very segment that it asked for.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlive } from '../../src/shared/is-alive.ts';
import { namesIn } from '../helpers/archived-wals.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { runWell } from '../helpers/run-well.ts';
import { helperOf, openShipSite, type ShipSite, type Whose } from '../helpers/ship-site.ts';
import { canMount, mountSmallFileSystem } from '../helpers/small-file-system.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';

const mounts = await canMount();
const count = 24;
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

/** A recovery in a data folder, with a spool of its own. */
class Recovery {
  readonly #site: ShipSite;
  readonly #program: string;
  readonly spool: string;
  readonly data: string;

  private constructor(site: ShipSite, program: string, places: { readonly spool: string; readonly data: string }) {
    this.#site = site;
    this.#program = program;
    this.spool = places.spool;
    this.data = places.data;
  }

  static async begin(site: ShipSite, title: string): Promise<Recovery> {
    const places = { spool: await site.home.makeFolder(`spool-${title}`), data: await site.makeDataFolder(`data-${title}`) };
    return new Recovery(site, await helperOf(site, 'wal-restore'), places);
  }

  get destination(): string {
    return join(this.data, 'pg_wal', 'RECOVERYXLOG');
  }

  async ask(name: string, ...options: readonly string[]): Promise<number | undefined> {
    const words = ['-p', '4', '--spool-dir', this.spool, '--retry-time', '0', ...options, '127.0.0.1', 'main', name];
    return (await this.#site.run([this.#program, ...words, 'pg_wal/RECOVERYXLOG'], { cwd: this.data })).exitCode;
  }

  /** Asks for a segment that is there, and looks at what came. */
  async expectSegment(name: string, ...options: readonly string[]): Promise<void> {
    expect({ name, exitCode: await this.ask(name, ...options) }).toEqual({ name, exitCode: 0 });
    const content = await readFile(this.destination);
    expect({ name, isSame: content.equals(segments.get(name) ?? Buffer.alloc(0)) }).toEqual({ name, isSame: true });
    await rm(this.destination);
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
    await waitFor(`${names.join()} wait`, async () => (await this.waiting()).join() === names.join());
  }

  /** Who fills the spool. */
  async attendant(): Promise<number> {
    return Number((await readFile(await this.place('attendant'), 'utf8')).split(' ')[0]);
  }
}

const named = (...numbers: readonly number[]) => numbers.map((number) => nameOfSegment(number));

describe('restore_command with --parallel', () => {
  let site: ShipSite;
  beforeAll(async () => {
    site = await openFilledSite('ours');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test('goes over to another timeline, and back to an earlier segment', async () => {
    const recovery = await Recovery.begin(site, 'timelines');
    for (const name of named(9, 10, 11)) await recovery.expectSegment(name);
    for (const number of [12, 13, 14, 15]) await recovery.expectSegment(nameOfSegment(number, { timeline: 11 }));
    await recovery.waitUntilWaiting(...[16, 17, 18, 19].map((number) => nameOfSegment(number, { timeline: 11 })));
    for (const name of named(3, 4, 5)) await recovery.expectSegment(name);
  });

  test('of two clusters on one host never mixes their segments', async () => {
    const [one, two] = [await Recovery.begin(site, 'one'), await Recovery.begin(site, 'two')];
    for (let number = 1; number <= 6; number++) {
      await one.expectSegment(nameOfSegment(number), '--spool-dir', one.spool);
      await two.expectSegment(nameOfSegment(number + 10), '--spool-dir', one.spool);
    }
    expect(await readdir(one.spool)).toHaveLength(2);
  });

  test('does not trust what a killed process left in the spool', async () => {
    const recovery = await Recovery.begin(site, 'killed');
    await recovery.expectSegment(nameOfSegment(1));
    await recovery.waitUntilWaiting(...named(2, 3, 4, 5));
    const attendant = await recovery.attendant();
    process.kill(attendant, 'SIGKILL');
    await waitFor('it is dead', () => !isAlive(attendant)); // its memory is gone earlier than the process
    await writeFile(await recovery.place('ready', nameOfSegment(2)), 'not what it was');
    for (const name of named(2, 3, 4)) await recovery.expectSegment(name);
  });

  test.each([
    { title: 'is gone', change: async (data: string) => await rm(join(data, 'postmaster.pid')) },
    {
      title: 'was started anew',
      change: async (data: string) => await writeFile(join(data, 'postmaster.pid'), `2\n${data}\n1764159999\n`),
    },
  ])('leaves the spool empty when the server $title', async ({ title, change }) => {
    const recovery = await Recovery.begin(site, title.replaceAll(' ', '-'));
    await recovery.expectSegment(nameOfSegment(1));
    await recovery.waitUntilWaiting(...named(2, 3, 4, 5));
    await change(recovery.data);
    await recovery.waitUntilWaiting();
    await recovery.expectSegment(nameOfSegment(2));
  });

  test('without a running server fetches nothing ahead', async () => {
    await killAttendants(site); // those of the tests before
    const recovery = await Recovery.begin(site, 'rewind');
    await rm(join(recovery.data, 'postmaster.pid'));
    for (const name of named(7, 6, 5)) await recovery.expectSegment(name);
    await waitFor('nobody attends to it', async () => {
      return (await site.home.processes()).every(({ command }) => !command.includes('wal-restore'));
    });
    expect(await recovery.waiting()).toEqual([]);
  });

  test('goes on fetching ahead by itself when the backup host was away', async () => {
    await expectReconnection(site);
  });

  test('removes the spools that a reboot left behind', async () => {
    const recovery = await Recovery.begin(site, 'reboot');
    const old = join(recovery.spool, 'pgcellar-wal-00000000+barman+host++++main+data');
    await mkdir(join(old, 'ready'), { recursive: true });
    await writeFile(join(old, 'ready', nameOfSegment(2)), '');
    await mkdir(join(recovery.spool, 'pgcellar-wal-of-somebody-else'));
    await recovery.expectSegment(nameOfSegment(1));
    await waitFor('it is gone', () => !existsSync(old));
    expect(await readdir(recovery.spool)).toContain('pgcellar-wal-of-somebody-else');
  });

  test('hands out the very segments, however often any of its processes is killed', async () => {
    const recovery = await Recovery.begin(site, 'sweep');
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
    const recovery = await Recovery.begin(site, 'full');
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
    const recovery = await Recovery.begin(site, 'destination');
    const program = await helperOf(site, 'wal-restore');
    const target = join(disk.path, 'RECOVERYXLOG');
    const fetch = async (...words: readonly string[]) =>
      await site.run([program, ...words, '127.0.0.1', 'main', nameOfSegment(1), target], { cwd: recovery.data });
    await writeFile(join(disk.path, 'filler'), Buffer.alloc(200_000));
    const refused = await fetch();
    expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('ENOSPC') as string });
    expect((await fetch('--strict')).exitCode).toBeGreaterThan(125);
    expect(await readdir(disk.path)).toEqual(['filler']);
    await rm(join(disk.path, 'filler'));
    expect((await fetch()).exitCode).toBe(0);
  });
});

/** The backup host is rebooted while segments wait; the process that fetched them is the one that fetches on. */
async function expectReconnection(site: ShipSite): Promise<void> {
  const recovery = await Recovery.begin(site, 'reconnect');
  await recovery.expectSegment(nameOfSegment(1));
  await recovery.waitUntilWaiting(...named(2, 3, 4, 5));
  const attendant = await recovery.attendant();
  await site.stopSsh();
  try {
    for (const name of named(2, 3)) await recovery.expectSegment(name);
  } finally {
    await site.restartSsh();
  }
  await recovery.waitUntilWaiting(...named(4, 5, 6, 7));
  expect(await recovery.attendant()).toBe(attendant);
  for (const name of named(4, 5, 6, 7, 8)) await recovery.expectSegment(name);
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
  test('goes on fetching ahead by itself when the backup host was away', async () => {
    await using site = await openFilledSite('real Barman');
    await expectReconnection(site);
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
