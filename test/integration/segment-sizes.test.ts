// WAL of clusters with other segment sizes and on a timeline above 9: through both channels, into a backup, and back into a server.
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archivedWals, indexedWals, namesIn } from '../helpers/archived-wals.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { asServerUser } from '../machine/server-user.mjs';

const major = 15;
const mebibyte = 1 << 20;

/** Lets the cluster go on at the start of a segment of timeline 11, as if it had been promoted ten times. */
async function moveToTimeline11(cluster: PostgresServer): Promise<void> {
  await cluster.stop();
  const program = join(cluster.clientsDir, 'pg_resetwal');
  const argv = asServerUser([program, '-l', '0000000B0000000000000020', '-D', cluster.dataDir]);
  const { exitCode, stderr } = await runProgram(argv, { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' }, cwd: '/' });
  if (exitCode !== 0) throw new Error(stderr);
  const history = '10\t0/1F00000\tno recovery target specified\n';
  await writeFile(join(cluster.dataDir, 'pg_wal', '0000000B.history'), history, { mode: 0o644 });
  await cluster.start();
}

describe.each([
  { sizeMib: 1, timeline: '0000000B' },
  { sizeMib: 64, timeline: '00000001' },
])('WAL segments of $sizeMib MiB on timeline $timeline', ({ sizeMib, timeline }) => {
  const opened = new Opened();
  let cluster: PostgresServer;
  let home: TestHome;

  beforeAll(async () => {
    const initdbArgs = [`--wal-segsize=${String(sizeMib)}`];
    const settings = {
      max_wal_size: '256MB',
      min_wal_size: `${String(2 * sizeMib)}MB`,
      wal_keep_size: '512MB',
      archive_mode: 'on',
    };
    cluster = await opened.add(startCluster({ major, initdbArgs, settings }));
    if (timeline === '0000000B') await moveToTimeline11(cluster);
    const main = streamingServer(cluster, { archiver: 'on', immediate_checkpoint: true, compression: 'zstd' });
    home = await opened.add(createTestHome({ servers: { main } }));
    const incoming = await home.makeFolder('home/main/incoming');
    await chmod(incoming, 0o777); // PostgreSQL's user copies there
    await cluster.query(`ALTER SYSTEM SET archive_command = 'cp %p ${incoming}/%f'`);
    await cluster.query('SELECT pg_reload_conf()');
    await startReceiver(home, cluster);
  });
  afterAll(() => opened.close());

  /** Lets the archive_command come to the segment that is written now. */
  async function waitForArchiver(): Promise<void> {
    const current = await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
    await waitFor('the server has archived all', async () => {
      return (await cluster.value("SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver")) >= current;
    });
  }

  test('come through both channels once, label and history with them, and back into a server', async () => {
    await cluster.query('CREATE TABLE load (id int, words text)');
    await runWell(['backup', '--wait', 'main'], { home });
    await cluster.query('INSERT INTO load SELECT id, repeat(md5(id::text), 10) FROM generate_series(1, 60000) id');
    await runWell(['switch-wal', '--archive', 'main'], { home });
    await waitForArchiver();
    const output = await runWell(['archive-wal', 'main'], { home });
    expect(output).not.toContain('Error');

    const indexed = await indexedWals(home);
    expect(new Set(indexed).size).toBe(indexed.length);
    expect(indexed.some((name) => name.endsWith('.backup'))).toBe(true);
    if (timeline === '0000000B') expect(indexed).toContain('0000000B.history');
    expect(await archivedWals(home)).toEqual(indexed.filter((name) => name.length >= 24).toSorted());
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
    expect(await namesIn(home.server('main', 'incoming'))).toEqual([]);
    const segments = indexed.filter((name) => /^[0-9A-F]{24}$/.test(name)).toSorted();
    expect(segments.every((name) => name.startsWith(timeline))).toBe(true);
    const target = await home.makeFolder('out');
    for (const name of segments.slice(-3)) {
      await runWell(['get-wal', '-o', target, 'main', name], { home });
      const fetched = await readFile(join(target, name));
      expect(fetched.length).toBe(sizeMib * mebibyte);
      expect(fetched.equals(await readFile(join(cluster.dataDir, 'pg_wal', name)))).toBe(true);
    }
    const [first = '', last = ''] = [segments.at(0), segments.at(-1)];
    expect(await runWell(['check-archived-wal-range', 'main', first, last], { home })).not.toMatch(/missing: |\t\t/);
    expect(await runWell(['get-wal', '--peek', '3', 'main', first], { home })).toBe(`${segments.slice(0, 3).join('\n')}\n`);

    const folder = await opened.add(createTemporaryFolder('rs', { owner: 'server' }));
    const dataDir = join(folder.path, 'data');
    await runWell(['restore', 'main', 'latest', dataDir, '--target-tli', 'latest'], { home });
    await using restored = await startRestored({ dataDir, major, wait: 'promoted' });
    expect(await restored.value('SELECT count(*) FROM load')).toBe('60000');
  });

  test('that only older backups need are deleted one by one, and those after them stay', async () => {
    await runWell(['backup', '--wait', 'main'], { home });
    const before = await indexedWals(home);
    const [newest, oldest] = (await runWell(['list-backups', '--minimal', 'main'], { home })).trim().split('\n');
    expect(newest).not.toBe(oldest);
    await runWell(['delete', 'main', oldest ?? ''], { home });
    const after = await indexedWals(home);
    expect(after.length).toBeLessThan(before.length);
    expect(await archivedWals(home)).toEqual(after.filter((name) => name.length >= 24).toSorted());
    expect(await runWell(['check-backup', 'main', newest ?? ''], { home })).not.toContain('ERROR');
    expect(await runWell(['list-backups', 'main'], { home })).not.toContain('FAILED');
  });
});
