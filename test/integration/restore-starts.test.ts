// Plans that looked fine and did not start, or left something out without a word: each is told, and what the plan calls fine starts.
import { appendFile, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const rowsOf = async (server: PostgresServer): Promise<string[]> =>
  (await server.query<{ what: string }>('SELECT what FROM story ORDER BY 1')).map(({ what }) => what);

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;
    let folder: TemporaryFolder;

    beforeAll(async () => {
      cluster = await opened.add(startCluster({ major, initdbArgs: ['--wal-segsize=1'] }));
      home = await opened.add(
        createTestHome({ owner: 'server', servers: { main: streamingServer(cluster, { immediate_checkpoint: true }) } }),
      );
      folder = await opened.add(createTemporaryFolder('st', { owner: 'server' }));
      await startReceiver(home, cluster);
      await cluster.query('CREATE TABLE story (what text)');
    });
    afterAll(() => opened.close());

    async function restore(name: string, words: readonly string[]): Promise<{ dataDir: string; env: Record<string, string> }> {
      const dataDir = join(folder.path, name);
      await runWell(['restore', ...words, dataDir], { home });
      const env = home.env({ path: [dirname(await programPath(home))] });
      return { dataDir, env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, value ?? ''])) };
    }

    const dryRun = async (...words: string[]) =>
      await runPgcellar(['restore', '--dry-run', ...words, join(folder.path, 'planned')], { home });

    async function backUp(): Promise<string> {
      await runWell(['backup', '--wait', 'main'], { home });
      return (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n')[0] ?? '';
    }

    /** What the server on a timeline wrote, into the archive; what lies behind its last segment waits for use, with the content of another one. */
    async function archive(dataDir: string, timeline: string, last: string): Promise<void> {
      const names = (await readdir(join(dataDir, 'pg_wal'))).filter(
        (name) => name.startsWith(timeline) && !name.endsWith('.partial') && (name.endsWith('.history') || name <= last),
      );
      for (const name of names) {
        const arrived = home.server('main', 'incoming', name);
        await cp(join(dataDir, 'pg_wal', name), arrived, { preserveTimestamps: true });
        await home.own(arrived);
      }
      await home.writeServer('main', { ...streamingServer(cluster), archiver: 'on' });
      await runWell(['archive-wal', 'main'], { home });
      await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true }));
    }

    test('tablespaces, the last commits and a stranger among the timelines', async () => {
      const first = await backUp();
      await cluster.query("INSERT INTO story VALUES ('1 archived')");
      const mark = await cluster.value("SELECT pg_create_restore_point('mark')");
      await runWell(['switch-wal', '--archive', 'main'], { home });

      // a label file that only the index knows
      const wals = home.server('main', 'wals', '0000000100000000');
      const label = `${(await readdir(wals)).toSorted().at(-1) ?? ''}.00000028.backup`;
      await writeFile(join(wals, label), 'START WAL LOCATION: 0/2000028\n');
      await home.own(join(wals, label));
      await runWell(['rebuild-xlogdb', 'main'], { home });
      await rm(join(wals, label));

      // only in the segment that is being received
      await cluster.query("INSERT INTO story VALUES ('2 received')");
      const lsn = await cluster.value('SELECT pg_current_wal_flush_lsn()');
      const received = `SELECT count(*) FROM pg_stat_replication WHERE write_lsn >= '${lsn}'`;
      await waitFor('it is received', async () => (await cluster.value(received)) !== '0');
      const told = await dryRun('main', first);
      expect(told).toMatchObject({ exitCode: 0 });
      expect(told.stderr).toMatch(
        /the last commits may be in 0{7}1\w{16}\.partial only, which is left out: include it with --get-wal or --partial-wal/,
      );
      expect(told.stderr).toContain(`names ${label}, which is not there: recovery does not need it`);
      expect((await dryRun('--target-lsn', mark, 'main', first)).stderr).not.toContain('left out');
      {
        await using without = await startRestored({ ...(await restore('without', ['main', first])), major });
        expect(await rowsOf(without)).toEqual(['1 archived']);
        await using withPartial = await startRestored({ ...(await restore('with', ['--partial-wal', 'main', first])), major });
        expect(await rowsOf(withPartial)).toEqual(['1 archived', '2 received']);
      }

      // a tablespace that came later, beside the original
      const late = join(folder.path, 'late');
      await mkdir(late);
      await home.own(late);
      const before = await cluster.value('SELECT clock_timestamp()::text');
      await cluster.query(`CREATE TABLESPACE late LOCATION '${late}'`);
      await cluster.query('CREATE TABLE in_late TABLESPACE late AS SELECT 1 AS a');
      await cluster.query('CHECKPOINT');
      const made = await cluster.value('SELECT pg_current_wal_lsn()');
      await runWell(['switch-wal', '--archive', 'main'], { home });
      const shared = await dryRun('main', first);
      expect(shared).toMatchObject({ exitCode: 1 });
      expect(shared.stderr).toContain(
        `was created after the backup, at ${late}, which is not empty: the restored server would share its files`,
      );
      expect(await dryRun('--allow', 'shared-tablespace', 'main', first)).toMatchObject({ exitCode: 0 });
      expect(await dryRun('--target-immediate', 'main', first)).toMatchObject({ exitCode: 0 });
      const second = await backUp();
      const named = await dryRun('main', first);
      expect(named.stderr).toContain(`tablespace late was created after the backup, at ${late}`);
      expect(await dryRun('--tablespace', `late:${join(folder.path, 'moved')}`, 'main', second)).toMatchObject({ exitCode: 0 });
      expect(before).not.toBe('');
      await cluster.query('DROP TABLE in_late');
      await cluster.query('DROP TABLESPACE late');

      // its folder is empty now, and replay fills it
      const words = ['--target-lsn', made, '--target-action', 'promote', 'main', first];
      expect((await dryRun(...words)).stderr).toContain(`at ${late}: the restored server will use that folder`);
      await using withLate = await startRestored({ ...(await restore('with-late', words)), major, wait: 'promoted' });
      expect(await withLate.value('SELECT a FROM in_late')).toBe('1');
      expect(await readdir(late)).not.toEqual([]);
    });

    test('a restore without a target ends on the newest timeline, with copies of WAL and with get-wal', async () => {
      const id = await backUp();
      await cluster.query("SELECT pg_create_restore_point('fork')");
      await cluster.query("INSERT INTO story VALUES ('3 lost by the failover')");
      await runWell(['switch-wal', '--archive', 'main'], { home });
      const standby = await restore('standby', ['--target-name', 'fork', '--target-action', 'promote', 'main', id]);
      {
        await using promoted = await startRestored({ ...standby, major, wait: 'promoted' });
        await promoted.query("INSERT INTO story VALUES ('4 on timeline 2')");
        const last = await promoted.value('SELECT pg_walfile_name(pg_switch_wal())');
        await promoted.stop('immediate'); // a checkpoint would remove what is not archived
        await archive(promoted.dataDir, '00000002', last);
      }
      const expected = expect.arrayContaining(['4 on timeline 2']) as string[];
      for (const [name, words] of Object.entries({ copies: [], fetched: ['--get-wal'] })) {
        const told = await dryRun(...words, 'main', id);
        expect(told).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/Timelines: 1 until \S+ > 2\n/) as string });
        await using server = await startRestored({ ...(await restore(name, [...words, 'main', id])), major, wait: 'promoted' });
        expect(await rowsOf(server)).toEqual(expected);
      }
      await using stays = await startRestored({
        ...(await restore('stays', ['--target-tli', 'current', '--target-action', 'promote', 'main', id])),
        major,
        wait: 'promoted',
      });
      expect(await rowsOf(stays)).toContain('3 lost by the failover');
    });

    test('a backup on a timeline whose history was never archived is restored to it', async () => {
      // archiving begins after the promotion
      await using own = await createTestHome({ owner: 'server' });
      const before = home;
      home = own;
      try {
        const dataDir = join(folder.path, 'standby');
        await using promoted = await startRestored({
          dataDir,
          major,
          settings: { recovery_target_name: '', recovery_target_action: 'promote' },
        });
        await own.writeServer('main', streamingServer(promoted, { immediate_checkpoint: true }));
        await startReceiver(own, promoted);
        const id = await backUp();
        await promoted.query("INSERT INTO story VALUES ('5 after all')");
        await runWell(['switch-wal', '--archive', 'main'], { home: own });
        await rm(own.server('main', 'wals', '00000002.history'), { force: true });
        await rm(own.server('main', 'streaming', '00000002.history'), { force: true });
        await runWell(['rebuild-xlogdb', 'main'], { home: own });
        for (const [name, words] of Object.entries({ two: ['--target-tli', '2'], latest: ['--get-wal'] })) {
          const restored = await restore(
            `history-${name}`,
            [...words, '--target-action', 'promote', 'main', id].filter(
              (word) => name === 'two' || !/promote|action/.test(word),
            ),
          );
          await using server = await startRestored({ ...restored, major, wait: 'promoted' });
          expect(await rowsOf(server)).toContain('5 after all');
        }
      } finally {
        home = before;
      }
    });

    test('a standby starts beside a history that is not of its line, and follows the switch that comes after it', async () => {
      // the backup is younger than the fork that timeline 2 came from
      await cluster.query("INSERT INTO story VALUES ('6 on timeline 1')");
      const id = await backUp();
      await runWell(['switch-wal', '--archive', 'main'], { home });
      const restored = await restore('orphan', ['--standby-mode', '--get-wal', 'main', id]);
      await using standby = await startRestored({ ...restored, major });
      await waitFor('it has what was archived', async () => (await rowsOf(standby)).includes('6 on timeline 1'), {
        explain: () => standby.log(),
      });
      // the primary goes over to timeline 3, because the archive has a history of 2
      await cluster.stop();
      await writeFile(join(cluster.dataDir, 'standby.signal'), '');
      await home.own(join(cluster.dataDir, 'standby.signal'));
      const history = home.server('main', 'wals', '00000002.history');
      await appendFile(
        join(cluster.dataDir, 'postgresql.conf'),
        `restore_command = 'test %f = 00000002.history && cp ${history} %p'\nrecovery_target_timeline = current\n`,
      );
      await cluster.start();
      await cluster.query('SELECT pg_promote()');
      await cluster.query("INSERT INTO story VALUES ('7 on timeline 3')");
      const last = await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
      await cluster.stop('immediate');
      await archive(cluster.dataDir, '00000003', last);
      await waitFor('it follows', async () => (await rowsOf(standby)).includes('7 on timeline 3'), {
        explain: () => standby.log(),
      });
      expect(await standby.value('SELECT pg_is_in_recovery()')).toBe('true');
    });
  },
  [15, 18],
);
