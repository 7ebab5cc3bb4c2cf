// The same request to us and to the real Barman: the same settings, the same files. And the ways that only a server can show.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeEachPostgres, describeWithOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';

interface Story {
  readonly home: TestHome;
  readonly backup: string;
  /** WAL position before the switch, in the middle of timeline 1. */
  readonly before: string;
}

async function tell(cluster: PostgresServer, home: TestHome): Promise<Story> {
  await startReceiver(home, cluster);
  await cluster.query('CREATE TABLE story (what text)');
  await cluster.query("ALTER SYSTEM SET archive_command = 'cp %p /srv/%f'");
  await runWell(['backup', '--wait', 'main'], { home });
  const [backup = ''] = (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n');
  await cluster.query("INSERT INTO story VALUES ('before')");
  const before = await cluster.value('SELECT pg_create_restore_point($$before$$)');
  await cluster.query("INSERT INTO story VALUES ('later')");
  await runWell(['switch-wal', '--archive', 'main'], { home });
  return { home, backup, before };
}

async function rowsOf(server: PostgresServer): Promise<string[]> {
  return (await server.query<{ what: string }>('SELECT what FROM story ORDER BY 1')).map(({ what }) => what);
}

/** Every path of a tree with its kind, mode and size, and the content of what a restore writes. */
async function treeOf(folder: string): Promise<string[]> {
  const { stdout } = await runProgram(['find', folder, '-mindepth', '1', '-printf', '%P %y %m %s\n']);
  const written =
    /^(?:mine\.conf|postgresql\.auto\.conf|recovery\.signal|standby\.signal|recovery\.conf|postgresql\.conf|[\w.]+\.origin) f/;
  const lines: string[] = [];
  for (const line of stdout.split('\n').filter((one) => one !== '')) {
    const [path = ''] = line.split(' ');
    const content = written.test(line) ? (await readFile(join(folder, path), 'utf8')).replaceAll(folder, 'DEST') : '';
    // a folder's size is the file system's affair, and so is that of a file whose content holds the path
    lines.push(`${written.test(line) || / d \d+ \d+$/.test(line) ? line.replace(/ \d+$/, '') : line}\n${content}`);
  }
  return lines.toSorted();
}

describeWithOracle('beside the real Barman', () => {
  describeEachPostgres(
    (major) => {
      const opened = new Opened();
      let story: Story;
      let folder: TemporaryFolder;

      beforeAll(async () => {
        const cluster = await opened.add(startCluster({ major, initdbArgs: major >= 11 ? ['--wal-segsize=1'] : [] }));
        const home = await opened.add(
          createTestHome({ servers: { main: streamingServer(cluster, { immediate_checkpoint: true }) } }),
        );
        folder = await opened.add(createTemporaryFolder('bb', { owner: 'server' }));
        story = await tell(cluster, home);
      });
      afterAll(() => opened.close());

      test.each([
        { title: 'to the end', words: [] },
        { title: 'to a restore point', words: ['--target-name', 'before', '--target-action', 'promote'] },
        {
          title: 'just before a transaction on a timeline',
          words: ['--target-xid', '9999', '--exclusive', '--target-tli', '1'],
        },
        {
          title: 'to consistency, with its WAL elsewhere',
          words: ['--target-immediate', '--staging-wal-directory', '{folder}/wal'],
        },
        { title: 'with get-wal', words: ['--get-wal'] },
        { title: 'of a standby', words: ['--standby-mode', '--get-wal'] },
        { title: 'into another file', words: ['--get-wal', '--recovery-conf-filename', 'mine.conf'] },
      ])('a restore $title writes the same files and settings', async ({ title, words }) => {
        const trees: string[][] = [];
        for (const by of ['ours', 'theirs']) {
          const destination = join(folder.path, `${by} ${title}`.replaceAll(' ', '-'));
          const all = [
            'restore',
            ...words.map((word) => word.replace('{folder}', destination)),
            'main',
            story.backup,
            destination,
          ];
          const result =
            by === 'ours'
              ? await runPgcellar(all, { home: story.home, as: 'barman' })
              : await runOracle(all, { home: story.home });
          expect(result, result.stderr).toMatchObject({ exitCode: 0 });
          trees.push(await treeOf(destination));
        }
        const [ours = [], theirs = []] = trees;
        expect(withoutKnown(ours)).toEqual(withoutKnown(theirs));
      });

      test('of what both restored, both start', async () => {
        const destination = join(folder.path, 'started');
        await runWell(['restore', '--target-name', 'before', '--target-action', 'promote', 'main', story.backup, destination], {
          home: story.home,
        });
        if (major < 12)
          expect(await readFile(join(destination, 'recovery.conf'), 'utf8')).toContain("recovery_target_name = 'before'\n");
        await using server = await startRestored({ dataDir: destination, major, wait: 'promoted' });
        expect(await rowsOf(server)).toEqual(['before']);
      });
    },
    [11, 17],
  );
});

/** What we say of recovery settings that a restore does not use, before those that it does. */
const neutral =
  /^(?:restore_command|recovery_end_command|archive_cleanup_command|recovery_target(?:_time|_xid|_lsn|_name)?|promote_trigger_file|primary_conninfo|primary_slot_name) = ''\n|^(?:recovery_target_inclusive = on|recovery_target_timeline = latest|recovery_target_action = pause|recovery_min_apply_delay = 0)\n/gm;

/**
 * Without what docs/differences-from-barman.md names. Our own files are for their owner alone.
 */
function withoutKnown(tree: readonly string[]): string[] {
  return tree
    .filter((line) => !/^(?:\.barman-recover\.info|(?:pg_wal|wal|barman_wal)\/archive_status|mine\.conf\.origin) /.test(line))
    .map((line) =>
      line
        .replaceAll(neutral, '')
        .replace(/^(\S+\.(?:signal|conf|origin) f) 6[04][04]$/m, '$1')
        .replace(/^(\S+\.done f) 6[04][04] /, '$1 '),
    );
}

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let home: TestHome;
    let backup: string;
    let folder: TemporaryFolder;

    beforeAll(async () => {
      const cluster = await opened.add(startCluster({ major, initdbArgs: ['--wal-segsize=1'] }));
      home = await opened.add(createTestHome({ servers: { main: streamingServer(cluster, { immediate_checkpoint: true }) } }));
      folder = await opened.add(createTemporaryFolder('tl', { owner: 'server' }));
      ({ backup } = await tell(cluster, home));
      // the standby that takes over, as it would be after a failover: it leaves timeline 1 at the restore point and archives into the same catalog
      const dataDir = join(folder.path, 'promoted');
      await runWell(['restore', '--target-name', 'before', '--target-action', 'promote', 'main', backup, dataDir], { home });
      await using promoted = await startRestored({ dataDir, major, wait: 'promoted' });
      await promoted.query("INSERT INTO story VALUES ('on timeline 2')");
      const last = await promoted.value('SELECT pg_walfile_name(pg_switch_wal())');
      await promoted.stop('immediate'); // a checkpoint would remove what is not archived
      const wals = join(dataDir, 'pg_wal');
      for (const name of await readdir(wals)) {
        // what is behind the last one waits for use, with the content of another segment
        if (name === '00000002.history' || (/^00000002[0-9A-F]{16}$/.test(name) && name <= last)) {
          await runProgram(['cp', '-p', join(wals, name), home.server('main', 'incoming', name)]);
        }
      }
      await home.writeServer('main', { ...streamingServer(cluster), archiver: 'on' });
      await runWell(['archive-wal', 'main'], { home });
      await cluster.stop();
    });
    afterAll(() => opened.close());

    describe('after a timeline switch, with the source server dead', () => {
      test.each([
        { to: 'the end of the new timeline', words: ['--target-tli', '2'], rows: ['before', 'on timeline 2'] },
        { to: 'the latest timeline', words: ['--target-tli', 'latest'], rows: ['before', 'on timeline 2'] },
        { to: 'a point on the old timeline after the switch', words: ['--target-tli', '1'], rows: ['before', 'later'] },
        { to: 'the timeline of the backup', words: ['--target-tli', 'current'], rows: ['before', 'later'] },
      ])('an old backup leads to $to', async ({ to, words, rows }) => {
        const dataDir = join(folder.path, to.replaceAll(' ', '-'));
        const all = ['-f', 'json', 'restore', ...words, '--target-action', 'promote', 'main', backup, dataDir];
        const dry = JSON.parse((await runPgcellar([...all, '--dry-run'], { home })).stdout) as {
          plan: { timelines: { timeline: number }[] };
        };
        expect(dry.plan.timelines.map(({ timeline }) => timeline)).toEqual(rows.includes('later') ? [1] : [1, 2]);
        const result = await runPgcellar(all, { home });
        expect(result, result.stdout).toMatchObject({ exitCode: 0 });
        await using server = await startRestored({ dataDir, major, wait: 'promoted' });
        expect(await rowsOf(server)).toEqual(rows);
        expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
      });
    });
  },
  [18],
);
