// One pass of cron over several servers without PostgreSQL: what it starts, what it leaves alone, and in which order it tells.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatBackupInfo } from '../../src/catalog/backups/backup-info.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { recordPath, sketchBackup, writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';

const names = Array.from({ length: 12 }, (_, number) => `s${String(number).padStart(2, '0')}`);
const arrived = '000000010000000000000009';
const server = { conninfo: 'host=127.0.0.1 port=1 user=barman', backup_method: 'postgres', archiver: 'on' };

let home: TestHome;
beforeAll(async () => {
  home = await createTestHome({
    servers: {
      ...Object.fromEntries(names.map((name) => [name, server])),
      s03: { ...server, conninfo: '' },
      zz: { ...server },
    },
  });
  for (const name of [...names, 'zz']) await writeCatalog(home, name);
  const [later, far] = [Date.now() / 1000, Date.now() / 1000 + 60];
  for (const name of [...names, 'zz']) {
    for (const folder of await readdir(home.server(name, 'wals'))) {
      const path = home.server(name, 'wals', folder);
      await utimes(path, later, folder.endsWith('xlog.db') ? far : later);
    }
  }
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
});

test('where nothing waits nothing is started, and a disabled server is told', async () => {
  const result = await runPgcellar(['cron'], { home });
  expect(result).toMatchObject({ exitCode: 0, stdout: "Skipping temporarily disabled server 's03'\n", stderr: '' });
});

test('waiting WAL is archived, and servers are reported in the order of their names', async () => {
  const waiting = ['s01', 's05', 's07', 's11'];
  for (const name of waiting) {
    await writeFile(home.server(name, 'incoming', arrived), 'content of a segment');
    await utimes(home.server(name, 'incoming', arrived), 1_770_000_000, 1_770_000_000); // nobody writes it any more
  }
  const { exitCode, stdout } = await runPgcellar(['cron'], { home });
  expect(exitCode).toBe(0);
  expect(stdout.split('\n')).toEqual([
    "Skipping temporarily disabled server 's03'",
    ...waiting.map((name) => `Starting WAL archiving for server ${name}`),
    '',
  ]);
  for (const name of waiting) {
    await waitFor(`${name} has archived it`, () => existsSync(home.server(name, 'wals', arrived.slice(0, 16), arrived)));
  }
});

test('a server that fails keeps no other from its turn', async () => {
  await writeFile(join(home.server('s02'), 'meta', '20240305T020000-backup.info'), 'no record');
  await home.writeServer('s02', { ...server, retention_policy: 'REDUNDANCY 2' });
  await writeFile(home.server('zz', 'incoming', arrived), 'content of a segment');
  const { exitCode, stdout, stderr } = await runPgcellar(['cron'], { home });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/^ERROR: .*20240305T020000/m);
  expect(stdout).toContain('Starting WAL archiving for server zz\n');
});

test('a check of them all says on standard error only what there is to say', async () => {
  const { exitCode, stdout, stderr } = await runPgcellar(['check', '--nagios', 'all'], { home });
  expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: '' });
  expect(stdout).toMatch(/^PGCELLAR CRITICAL - 13 server out of 13 have issues /);
});

describe('cron does the same as the verbs', () => {
  const settings = { ...server, retention_policy: 'REDUNDANCY 1' };
  const waiting = '20240305T020000';

  /** A segment and the end of a backup have arrived, the last backup waits for them, and two are obsolete. */
  async function homeWithWork(): Promise<TestHome> {
    const made = await createTestHome({ servers: { main: settings } });
    await writeCatalog(made, 'main');
    const backup = sketchBackup({ id: waiting, server: 'main', segment: 9, rest: { status: 'WAITING_FOR_WALS' } });
    await mkdir(made.server('main', 'base', waiting, 'data'), { recursive: true });
    const record = formatBackupInfo(backup);
    for (const path of [recordPath(made, 'main', waiting), made.server('main', 'base', waiting, 'backup.info')]) {
      await writeFile(path, record);
    }
    const arrivedAt = Date.UTC(2024, 2, 5, 3) / 1000;
    for (const name of [arrived, '00000001000000000000000A']) {
      await writeFile(made.server('main', 'incoming', name), `content of ${name}`);
      await utimes(made.server('main', 'incoming', name), arrivedAt, arrivedAt);
    }
    return made;
  }

  /** Every file of the server with its content, but for what is derived and what says only when it was written. */
  async function stateOf(made: TestHome): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const entry of await readdir(made.server('main'), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile() && !path.includes('/.pgcellar/')) found[relative(made.path, path)] = await readFile(path, 'latin1');
    }
    return found;
  }

  test('archiving, looking after backups that wait, and retention leave the same files', async () => {
    await using byCron = await homeWithWork();
    await using byHand = await homeWithWork();
    expect(await stateOf(byCron)).toEqual(await stateOf(byHand));
    for (const round of ['archives', 'marks the backup', 'deletes what is obsolete by then']) {
      expect(await runPgcellar(['cron'], { home: byCron }), round).toMatchObject({ exitCode: 0, stderr: '' });
      await waitFor('what cron started ends', async () => (await byCron.processes()).length === 0);
    }
    const { weekly, firstTwin, secondTwin } = writtenBackups;
    for (const words of [
      ['archive-wal', 'main'],
      ['check-backup', 'main', waiting],
      ...[weekly, firstTwin, secondTwin].map((id) => ['delete', 'main', id]),
    ]) {
      expect(await runPgcellar(words, { home: byHand }), words.join(' ')).toMatchObject({ exitCode: 0 });
    }
    const state = await stateOf(byCron);
    expect(Object.keys(state)).toContain(`main/wals/${arrived.slice(0, 16)}/${arrived}`);
    expect(Object.keys(state)).not.toContain(`main/meta/${secondTwin}-backup.info`);
    expect(state).toEqual(await stateOf(byHand));
  });

  describeWithOracle('and what the real Barman does', () => {
    test('three rounds of both leave the same files', async () => {
      await using ours = await homeWithWork();
      await using theirs = await homeWithWork();
      for (let round = 1; round <= 3; round++) {
        await Promise.all([
          expect(runPgcellar(['cron'], { home: ours })).resolves.toMatchObject({ exitCode: 0 }),
          expect(runOracle(['cron'], { home: theirs })).resolves.toMatchObject({ exitCode: 0 }),
        ]);
        for (const made of [ours, theirs]) {
          await waitFor('what cron started ends', async () => (await made.processes()).length === 0);
        }
      }
      const [mine, real] = [await stateOf(ours), await stateOf(theirs)];
      expect(Object.keys(mine).toSorted()).toEqual(Object.keys(real).toSorted());
      // we write the fifth column only where it says something
      expect(mine['main/wals/main-xlog.db']).toBe(real['main/wals/main-xlog.db']?.replaceAll(/\tNone$/gm, ''));
    });
  });
});
