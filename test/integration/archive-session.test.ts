// archive_command through a connection that stays open: what is acknowledged is stored, and every failure is told as by a call of its own.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWithOracle } from '../helpers/installations.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { helperOf, openShipSite, type ShipSite } from '../helpers/ship-site.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';

async function write(site: ShipSite, number: number): Promise<Buffer> {
  const content = aSegment(number);
  await writeFile(join(site.data, 'pg_wal', nameOfSegment(number)), content);
  return content;
}

async function send(site: ShipSite, number: number, ...words: readonly string[]): Promise<ProgramResult> {
  const program = await helperOf(site, 'wal-archive');
  return await site.run([program, ...words, '127.0.0.1', 'main', `pg_wal/${nameOfSegment(number)}`]);
}

async function expectSent(site: ShipSite, number: number, ...words: readonly string[]): Promise<void> {
  const content = await write(site, number);
  expect(await send(site, number, ...words)).toMatchObject({ exitCode: 0, stderr: '' });
  const stored = await readFile(site.home.server('main', 'incoming', nameOfSegment(number)));
  expect({ number, isSame: words.length > 0 || stored.equals(content) }).toEqual({ number, isSame: true });
}

const helpers = async (site: ShipSite) =>
  (await site.home.processes()).filter(({ command }) => command.includes('wal-archive'));

describe('archive_command', () => {
  let site: ShipSite;
  beforeAll(async () => {
    site = await openShipSite('ours');
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test('sends one file after another through one login, also compressed ones, and leaves no process behind', async () => {
    for (const number of [1, 2, 3]) await expectSent(site, number);
    await writeFile(join(site.data, 'pg_wal', '00000002.history'), '1\t0/100000\tno recovery target specified\n');
    const program = await helperOf(site, 'wal-archive');
    expect(await site.run([program, '127.0.0.1', 'main', 'pg_wal/00000002.history'])).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
    expect(await site.logins()).toBe(1);
    for (const number of [4, 5]) await expectSent(site, number, '-z', '--md5');
    expect(await site.logins()).toBe(2);
    expect((await readFile(site.home.server('main', 'incoming', nameOfSegment(4)))).subarray(0, 2)).toEqual(
      Buffer.from([0x1f, 0x8b]),
    );
    await waitFor('its processes have ended', async () => (await site.home.processes()).length === 0);
  });

  test('tells a refusal, a file that is not there and a backup host that is away as without a session, and goes on with it', async () => {
    await expectSent(site, 6);
    await writeFile(join(site.data, 'pg_wal', nameOfSegment(7)), aSegment(8));
    const refused = await send(site, 7);
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain(`${nameOfSegment(7)} is refused`);
    expect(await send(site, 99)).toMatchObject({ exitCode: 2 });
    await expectSent(site, 8);
    await write(site, 9);
    await site.stopSsh();
    expect(await send(site, 9)).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('SSH connection') as string });
    await site.restartSsh();
    await expectSent(site, 9);
    await expectSent(site, 10);
  });

  test('stores what it acknowledged, however often any of its processes is killed', async () => {
    let killed = 0;
    for (let number = 20; number < 28; number++) {
      const content = await write(site, number);
      const sent = send(site, number);
      await delay(Math.random() * 200);
      for (const { pid } of await helpers(site)) {
        if (Math.random() < 0.3) continue;
        try {
          process.kill(pid, 'SIGKILL');
          killed++;
        } catch {
          // it has ended by itself
        }
      }
      const stored = site.home.server('main', 'incoming', nameOfSegment(number));
      if ((await sent).exitCode === 0) expect((await readFile(stored)).equals(content)).toBe(true);
      expect(await send(site, number)).toMatchObject({ exitCode: 0, stderr: '' });
      expect((await readFile(stored)).equals(content)).toBe(true);
    }
    expect(killed).toBeGreaterThan(0);
    await waitFor('nothing half-sent is left', async () => {
      await expectSent(site, 30);
      return (await readdir(site.home.server('main', 'incoming'))).every((name) => !name.startsWith('.'));
    });
  });

  test('without a running server leaves no process behind', async () => {
    await rm(join(site.data, 'postmaster.pid'));
    await waitFor('those before have ended', async () => (await helpers(site)).length === 0);
    await expectSent(site, 31);
    expect(await helpers(site)).toEqual([]);
  });
});

describeWithOracle('archive_command to a real Barman', () => {
  test('takes one login for each file once it is known that Barman knows no sessions', async () => {
    await using site = await openShipSite('real Barman');
    await expectSent(site, 1);
    const before = await site.logins();
    for (const number of [2, 3]) await expectSent(site, number);
    expect((await site.logins()) - before).toBe(2);
  });
});
