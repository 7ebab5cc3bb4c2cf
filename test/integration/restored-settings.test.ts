// Settings that come along with a backup, in files that its configuration takes in: none of them acts on the restored server, which does what was asked for.
import { access, appendFile, mkdir, readdir, writeFile } from 'node:fs/promises';
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

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let home: TestHome;
    let folder: TemporaryFolder;
    /** Commands of the old configuration leave a file here when they run. */
    let traces: string;
    let time: string;

    beforeAll(async () => {
      const cluster = await opened.add(startCluster({ major, initdbArgs: ['--wal-segsize=1'] }));
      home = await opened.add(
        createTestHome({ owner: 'server', servers: { main: streamingServer(cluster, { immediate_checkpoint: true }) } }),
      );
      folder = await opened.add(createTemporaryFolder('se', { owner: 'server' }));
      traces = (await opened.add(createTemporaryFolder('tr', { owner: 'server' }))).path;
      await startReceiver(home, cluster);
      await takeInOldSettings(cluster);
      await cluster.query('CREATE TABLE story (what text)');
      await cluster.query("SELECT pg_create_restore_point('old')");
      await runWell(['backup', '--wait', 'main'], { home });
      await cluster.query("SELECT pg_create_restore_point('old')");
      await cluster.query("INSERT INTO story VALUES ('before')");
      time = await cluster.value('SELECT clock_timestamp()::text');
      await cluster.query("INSERT INTO story VALUES ('later')");
      await runWell(['switch-wal', '--archive', 'main'], { home });
    });
    afterAll(() => opened.close());

    async function takeInOldSettings(cluster: PostgresServer): Promise<void> {
      await mkdir(join(cluster.dataDir, 'conf.d'));
      await mkdir(join(cluster.dataDir, 'conf.d/more'));
      await appendFile(
        join(cluster.dataDir, 'postgresql.conf'),
        "archive_mode = on\ninclude_dir 'conf.d'\ninclude_if_exists = 'gone.conf'\n",
      );
      await writeFile(join(cluster.dataDir, 'conf.d/50-archive.conf'), `archive_command = 'touch ${traces}/archived'\n`);
      if (major < 12) return; // they stand in recovery.conf, which a restore leaves out
      const old = [
        "Recovery_Target_Name = 'old'",
        "recovery_target_action = 'promote'",
        'recovery_target_timeline = current',
        'recovery_target_inclusive = off',
        "recovery_min_apply_delay = '1h'",
        `restore_command = 'touch ${traces}/restored; exit 1'`,
        `recovery_end_command = 'touch ${traces}/ended'`,
        `archive_cleanup_command = 'touch ${traces}/cleaned'`,
        "include 'more/nested.conf'",
      ];
      await writeFile(join(cluster.dataDir, 'conf.d/60-old.conf'), old.map((line) => `${line}\n`).join(''));
      const nested = [
        "Recovery_Target = 'immediate' # of last year",
        ...(major < 16 ? [`promote_trigger_file '${traces}'`] : []),
      ];
      await writeFile(join(cluster.dataDir, 'conf.d/more/nested.conf'), nested.map((line) => `${line}\n`).join(''));
    }

    async function restore(name: string, words: readonly string[]): Promise<{ dataDir: string; env: Record<string, string> }> {
      const dataDir = join(folder.path, name);
      await runWell(['restore', ...words, 'main', 'latest', dataDir], { home });
      const env = home.env({ path: [dirname(await programPath(home))] });
      return { dataDir, env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, value ?? ''])) };
    }

    const rowsOf = async (server: PostgresServer) =>
      (await server.query<{ what: string }>('SELECT what FROM story ORDER BY 1')).map(({ what }) => what);

    /** Has the server do what would run each of its commands. */
    async function tracesOf(server: PostgresServer): Promise<string[]> {
      await server.query('CHECKPOINT');
      if ((await server.value('SELECT pg_is_in_recovery()')) === 'false') {
        await server.query('SELECT pg_switch_wal()');
        const failures = async () => Number(await server.value('SELECT failed_count FROM pg_stat_archiver'));
        await waitFor('the server tries to archive', async () => (await failures()) > 0);
      }
      return await readdir(traces);
    }

    test('a restore to a time pauses there', async () => {
      await using server = await startRestored({ ...(await restore('time', ['--target-time', time])), major, wait: 'paused' });
      expect(await rowsOf(server)).toEqual(['before']);
      expect(await tracesOf(server)).toEqual([]);
    });

    test('a restore to the end of WAL that is fetched holds all of it', async () => {
      await using server = await startRestored({ ...(await restore('fetched', ['--get-wal'])), major, wait: 'promoted' });
      expect(await rowsOf(server)).toEqual(['before', 'later']);
      expect(await tracesOf(server)).toEqual([]);
    });

    test('a restore without a target holds all, and archives nothing', async () => {
      await using server = await startRestored({ ...(await restore('all', [])), major });
      expect(await rowsOf(server)).toEqual(['before', 'later']);
      expect(await tracesOf(server)).toEqual([]);
    });

    test('a standby stays one', async () => {
      const words = ['--standby-mode', '--get-wal'];
      // the delay belongs to how a standby follows, and stays
      const settings = major < 12 ? {} : { recovery_min_apply_delay: 0 };
      await using server = await startRestored({ ...(await restore('standby', words)), major, settings });
      await waitFor('the last row is there', async () => (await rowsOf(server)).length === 2, { explain: () => server.log() });
      expect(await server.value('SELECT pg_is_in_recovery()')).toBe('true');
      expect(await tracesOf(server)).toEqual([]);
    });

    test('the plan tells what of the included files has no effect, and what has to be looked at', async () => {
      const dataDir = join(folder.path, 'planned');
      const { stdout } = await runPgcellar(['restore', '--dry-run', '--get-wal', 'main', 'latest', dataDir], { home });
      expect(stdout).toContain(
        '\tSettings of included files that have no effect:\n\t  conf.d/50-archive.conf line 0: archive_command = ',
      );
      if (major >= 12) {
        expect(stdout).toContain("\t  conf.d/60-old.conf line 0: recovery_target_name = 'old'\n");
        expect(stdout).toContain("\t  conf.d/more/nested.conf line 0: recovery_target = 'immediate' # of last year\n");
        expect(stdout).toMatch(
          /Settings to review:(?:\n\t {2}.*)*\n\t {2}conf\.d\/60-old\.conf line 8: include = 'more\/nested\.conf'\n/,
        );
      }
      await expect(access(dataDir)).rejects.toThrow('ENOENT');
    });
  },
  [11, 13, 15, 17, 18],
);
