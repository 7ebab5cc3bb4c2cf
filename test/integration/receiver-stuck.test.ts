// A receiver that cannot go on: after a restore went into service, after the slot was given up, after pg_resetwal.
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archivedWals, namesIn } from '../helpers/archived-wals.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { type Address, startAddress } from '../helpers/start-address.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { isSlotActive, startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { asServerUser } from '../machine/server-user.mjs';

const check = async (home: TestHome): Promise<string> => (await runPgcellar(['check', 'main'], { home })).stdout;

/** A round of `cron -q` after one whose receiver ended immediately. */
async function quietCron(home: TestHome): Promise<string> {
  return await waitFor('cron tells why the receiver cannot start', async () => {
    const { stderr } = await runPgcellar(['-q', 'cron'], { home });
    return stderr === '' ? undefined : stderr;
  });
}

async function writeSegments(cluster: PostgresServer, count: number): Promise<void> {
  for (let done = 0; done < count; done++)
    await cluster.query("SELECT pg_logical_emit_message(true, 'test', repeat('x', 100000)); SELECT pg_switch_wal()");
}

async function stopReceiver(home: TestHome, cluster: PostgresServer): Promise<void> {
  await runWell(['receive-wal', '--stop', 'main'], { home });
  await waitFor('the server has noticed', async () => !(await isSlotActive(cluster)));
}

const partialsOf = async (home: TestHome): Promise<string[]> =>
  (await namesIn(home.server('main', 'streaming'))).filter((name) => name.endsWith('.partial'));

/** The commands that the documentation tells for a restored server that goes into service. */
async function documentedCommands(): Promise<string[][]> {
  const text = await readFile(new URL('../../docs/restore.md', import.meta.url), 'utf8');
  const section = /^## Back into production\n(.*?)^## /ms.exec(text)?.[1] ?? '';
  const blocks = [...section.matchAll(/^ *```sh\n(.*?)^ *```/gms)].map(([, block = '']) => block);
  return blocks.flatMap((block) =>
    block
      .trim()
      .split('\n')
      .map((line) => line.trim().split(' ').slice(1)),
  );
}

describe.each([
  { major: 15, by: 'hand' },
  { major: 18, by: 'doctor' },
] as const)('a restored server in service, PostgreSQL $major', ({ major, by }) => {
  const opened = new Opened();
  let restored: PostgresServer;
  let address: Address;
  let home: TestHome;
  let leftBehind: string;
  let partial: Buffer;

  beforeAll(async () => {
    const original = await opened.add(startCluster({ major }));
    address = await opened.add(startAddress(original.port));
    const at = (user: string): string => `host=127.0.0.1 port=${String(address.port)} user=${user} dbname=postgres`;
    const more = { conninfo: at('barman'), streaming_conninfo: at('streaming_barman'), immediate_checkpoint: true };
    home = await opened.add(createTestHome({ servers: { main: streamingServer(original, more) } }));
    await startReceiver(home, original);
    await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    await runWell(['backup', '--wait', 'main'], { home });
    await original.query("CREATE TABLE told AS SELECT 1 AS number; SELECT pg_create_restore_point('before')");
    await writeSegments(original, 4);
    await original.query('INSERT INTO told VALUES (2)');
    const current = await original.value('SELECT pg_walfile_name(pg_current_wal_flush_lsn())');
    await waitFor('the newest WAL is streamed', async () => {
      const [newest = ''] = (await partialsOf(home)).slice(-1);
      return newest === `${current}.partial`;
    });
    await runWell(['archive-wal', 'main'], { home });
    await original.stop();
    await waitFor('the receiver has ended', async () => (await home.processes()).length === 0);
    [leftBehind = ''] = (await partialsOf(home)).slice(-1);
    partial = await readFile(home.server('main', 'streaming', leftBehind));
    const data = join(home.folder, 'restored');
    await runWell(['restore', '--target-name', 'before', '--target-action', 'promote', 'main', 'latest', data], { home });
    restored = await opened.add(startRestored({ dataDir: data, major, wait: 'promoted' }));
    address.moveTo(restored.port);
  });
  afterAll(() => opened.close());

  test('check, the receiver and a quiet cron say why the receiver cannot continue, and what mends it', async () => {
    const reason =
      /WAL was streamed up to 0\/\S+ of timeline 1, and the server is on timeline 2, in whose history timeline 1 was left at 0\//;
    const found = await check(home);
    expect(found).toMatch(new RegExp(`receive-wal running: FAILED \\(${reason.source}`));
    expect(found).toMatch(/replication slot: FAILED .*doesn't exist/);
    const told = await quietCron(home);
    expect(told).toMatch(/^ERROR: The receiver of server main cannot start: /m);
    expect(told).toMatch(reason);
    expect(told).toContain('run receive-wal --reset main; nothing of the history of the server is lost');
    expect(await partialsOf(home)).toEqual([leftBehind]);
    const terminal = await runPgcellar(['check', 'main'], { home, terminal: true });
    expect(terminal.stdout).toContain('receive-wal --reset main');
  });

  test(`by ${by} the receiver gets going again, and nothing that was streamed is lost`, async () => {
    const before = await archivedWals(home);
    if (by === 'doctor') {
      const { stdout, stderr } = await runPgcellar(['doctor', '--yes', 'main'], { home });
      expect(stdout + stderr).toMatch(/(?:replication slot|receive-wal running): repaired/);
      expect(stdout + stderr).toMatch(/Server main: all \d+ checks pass/);
      await runWell(['backup', '--wait', 'main'], { home });
    } else {
      for (const words of await documentedCommands()) {
        if (words[0] === 'switch-wal') await waitFor('a receiver streams', () => isSlotActive(restored));
        await runWell(words, { home });
      }
    }
    const after = await archivedWals(home);
    expect(after).toEqual(expect.arrayContaining(before));
    expect(after).toContain(leftBehind);
    await runWell(['get-wal', '-o', home.folder, '--partial', 'main', leftBehind], { home });
    expect((await readFile(join(home.folder, leftBehind))).equals(partial)).toBe(true);
    // from the segment of the switch on
    const history = await readFile(join(restored.dataDir, 'pg_wal', '00000002.history'), 'utf8');
    const left = /^1\t0\/([0-9A-F]+)/m.exec(history)?.[1] ?? '';
    const first = `0000000200000000${(Number.parseInt(left, 16) >>> 24).toString(16).toUpperCase().padStart(8, '0')}`;
    expect(after).toContain(first);
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
    expect((await runPgcellar(['check', 'main'], { home })).exitCode).toBe(0);
  });
});

describe('a server that no longer has what the receiver needs', () => {
  const opened = new Opened();
  let cluster: PostgresServer;
  let home: TestHome;
  const section = (more: IniSection = {}): IniSection => streamingServer(cluster, { immediate_checkpoint: true, ...more });

  beforeAll(async () => {
    const settings = { max_slot_wal_keep_size: '80MB', min_wal_size: '32MB', max_wal_size: '48MB' };
    cluster = await opened.add(startCluster({ major: 18, settings }));
    home = await opened.add(createTestHome({ servers: { main: section() } }));
    await startReceiver(home, cluster);
    await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    await runWell(['backup', '--wait', 'main'], { home });
  });
  afterAll(() => opened.close());

  const loseSlot = async (): Promise<void> => {
    await writeSegments(cluster, 10);
    await cluster.query('CHECKPOINT');
    expect(await cluster.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'barman'")).toBe('lost');
  };

  test('a slot that was given up is told with the gap, and doctor mends it', async () => {
    await stopReceiver(home, cluster);
    const [partial = ''] = (await partialsOf(home)).slice(-1);
    await cluster.query("ALTER SYSTEM SET max_wal_size = '2GB'"); // no checkpoint of the server's own removes WAL
    cluster.reload();
    await writeSegments(cluster, 7);
    expect(await cluster.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'barman'")).toBe('unreserved');
    expect(await check(home)).toContain(
      "replication slot: FAILED (slot 'barman' not active, and PostgreSQL may remove its WAL at the next checkpoint",
    );
    await cluster.query('ALTER SYSTEM RESET max_wal_size');
    cluster.reload();
    await loseSlot();
    const found = await check(home);
    expect(found).toContain("replication slot: FAILED (PostgreSQL gave up the replication slot 'barman' (wal_status = lost)");
    const told = await quietCron(home);
    const gap = `lost is the WAL from ${partial.slice(0, 24)} to `;
    expect(told).toContain(
      `run receive-wal --drop-slot main, receive-wal --create-slot main, receive-wal --reset main; ${gap}`,
    );
    const { stdout, stderr } = await runPgcellar(['doctor', '--yes', 'main'], { home });
    expect(stdout).toContain(gap);
    expect(stdout).toContain('replication slot: repaired');
    expect(stdout + stderr).toMatch(/Server main: (?:all \d+ checks pass|1 of \d+ checks fail: WAL continuity)/);
    expect(await archivedWals(home)).toContain(partial);
    await runWell(['backup', '--wait', 'main'], { home });
  });

  test('backup --wait ends when its WAL cannot arrive any more', async () => {
    const script = join(home.folder, 'lose-slot');
    // after the checks: the receiver ends, and the server writes more than it keeps
    const psql = `${join(cluster.clientsDir, 'psql')} -qAtX -d "${cluster.conninfo()}"`;
    await writeFile(
      script,
      `#!/bin/sh\nkill "$(cat '${join(home.path, '.main-receive-wal.lock')}')"\nsleep 1\nfor i in 1 2 3 4 5 6 7 8 9 10; do ${psql} -c "SELECT pg_logical_emit_message(true, 't', 'x'); SELECT pg_switch_wal()" >/dev/null; done\n${psql} -c CHECKPOINT\n`,
      { mode: 0o755 },
    );
    await home.writeServer('main', section({ pre_backup_script: script }));
    const { exitCode, stderr } = await runPgcellar(['backup', '--wait', 'main'], { home });
    await home.writeServer('main', section());
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(
      /The WAL file [0-9A-F]{24} of backup \S+ does not arrive: the receiver cannot continue: PostgreSQL gave up/,
    );
    expect(stderr).toContain('receive-wal --drop-slot main');
    expect((await runPgcellar(['list-backups', 'main'], { home })).stdout).toContain('WAITING_FOR_WALS');
    for (const words of [['--drop-slot'], ['--create-slot'], ['--reset']])
      await runWell(['receive-wal', ...words, 'main'], { home });
    await startReceiver(home, cluster);
  });

  test('after pg_resetwal the receiver begins again, by doctor', async () => {
    await stopReceiver(home, cluster);
    const [partial = ''] = (await partialsOf(home)).slice(-1);
    await cluster.query("SELECT pg_drop_replication_slot('barman')");
    await writeSegments(cluster, 3);
    await cluster.stop();
    const [program = '', ...words] = asServerUser([join(cluster.clientsDir, 'pg_resetwal'), '-D', cluster.dataDir]);
    await promisify(execFile)(program, words);
    await cluster.start();
    await home.writeServer('main', section());
    expect(await check(home)).toContain(`the server has removed the WAL from ${partial.slice(0, 24)} on`);
    const { stdout } = await runPgcellar(['doctor', '--yes', 'main'], { home });
    expect(stdout).toContain('receive-wal running: repaired');
    expect(await archivedWals(home)).toContain(partial);
  });

  test('a logical slot of that name is told as one', async () => {
    await cluster.query("ALTER SYSTEM SET wal_level = 'logical'");
    await cluster.restart();
    await cluster.query("SELECT pg_create_logical_replication_slot('logical_one', 'pgoutput')");
    await home.writeServer('main', section({ slot_name: 'logical_one' }));
    expect(await check(home)).toContain("replication slot: FAILED (replication slot 'logical_one' is a logical slot)");
  });

  test('of a server that is down, or that lets nobody in, nothing is claimed', async () => {
    await home.writeServer('main', section());
    await cluster.stop();
    const found = await check(home);
    expect(found).toMatch(/PostgreSQL: FAILED/);
    expect(found).toContain('replication slot: FAILED (unknown, because PostgreSQL does not answer)');
    expect(found).not.toContain('wal_level');
    const { stdout } = await runPgcellar(['doctor', 'main'], { home, input: 'q\n' });
    expect(stdout).not.toContain('--create-slot');
  });
});
