// From a home that a real Barman keeps to pgcellar, and back, with the receiver running.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPostgres, readMachine } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { settingsOf } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { waitForReceiver } from '../helpers/start-receiver.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';

const machine = readMachine();
const writers = [machine.oracle, machine.olderBarman].flatMap((barman) => (barman === undefined ? [] : [barman]));

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    beforeAll(async () => {
      cluster = await opened.add(startCluster({ major }));
    });
    afterAll(() => opened.close());

    test.each(writers)(
      'a home of Barman $version is taken over and given back, with no WAL lost or kept twice',
      async (barman) => {
        const slot = `adopt_${barman.version.replaceAll('.', '_')}`;
        await using home = await createTestHome({
          servers: { main: streamingServer(cluster, { slot_name: slot, post_backup_script: '/bin/true' }) },
        });
        const asBarman = async (...words: readonly string[]): Promise<ProgramResult> => {
          const argv = home.argv([barman.program, '-c', home.configFile, ...words]);
          const result = await runProgram(argv, settingsOf({ home }));
          if (result.exitCode !== 0) throw new Error(`${words.join(' ')}: ${result.stdout}${result.stderr}`);
          return result;
        };
        await asBarman('cron');
        await waitForReceiver(home, cluster, slot);
        await asBarman('switch-wal', '--force', '--archive', 'main');
        await asBarman('backup', '--wait', 'main');
        await asBarman('check', 'main');

        const before = await digestOf(home.path);
        const told = await runWell(['adopt-barman'], { home });
        expect(told).toContain('main: 1 backups by postgres, WAL by streaming, a receiver runs as process ');
        expect(told).toContain('main: post_backup_script: run as in Barman, but');
        expect(told).toMatch(/\nTo switch, as root:\n(?: {4}.*\n)+\nTo go back, as root:\n(?: {4}.*\n)+$/);
        expect(await digestOf(home.path)).toEqual(before);

        await writeWal(cluster);
        await runWell(['terminate-process', 'main', 'receive-wal'], { home });
        await runWell(['cron'], { home });
        await waitForReceiver(home, cluster, slot);
        await writeWal(cluster);
        await runWell(['switch-wal', '--archive', 'main'], { home });
        await runWell(['check', 'main'], { home });
        await runWell(['backup', '--wait', 'main'], { home });
        await asBarman('check', 'main');

        await runWell(['terminate-process', 'main', 'receive-wal'], { home });
        await writeWal(cluster);
        await asBarman('cron');
        await waitForReceiver(home, cluster, slot);
        await asBarman('switch-wal', '--archive', 'main');
        await asBarman('check', 'main');
        const backups = (await asBarman('list-backups', '--minimal', 'main')).stdout.trim().split('\n');
        expect(backups).toHaveLength(2);
        const segments = await archived(home);
        expect(segments).toEqual(consecutive(segments[0] ?? 0, segments.length));
        await runWell(['terminate-process', 'main', 'receive-wal'], { home });
      },
    );

    test('a configuration of ours that hides that of Barman, and a crontab, are told', async () => {
      await using home = await createTestHome({ servers: { main: streamingServer(cluster) } });
      await mkdir(home.userHome, { recursive: true });
      const configuration = await readFile(home.configFile, 'utf8');
      await writeFile(join(home.userHome, '.barman.conf'), configuration);
      await writeFile(join(home.userHome, '.pgcellar.conf'), configuration);
      const { stdout, exitCode } = await runProgram(
        home.argv([process.execPath, join(process.cwd(), 'bin', 'pgcellar'), 'adopt-barman']),
        settingsOf({ home }),
      );
      expect(exitCode).toBe(0);
      expect(stdout).toMatch(/Missing:\n {4}\S+\/\.pgcellar\.conf is read before \S+\/\.barman\.conf: remove it/);
    });
  },
  [15],
);

/** A few segments. */
async function writeWal(cluster: PostgresServer): Promise<void> {
  for (let segment = 0; segment < 3; segment++) {
    await cluster.query(`CREATE TABLE IF NOT EXISTS adopted (id int)`);
    await cluster.query('INSERT INTO adopted SELECT generate_series(1, 1000)');
    await cluster.query('SELECT pg_switch_wal()');
  }
}

/** Every file of a home with its content, but for the WAL that a receiver writes meanwhile. */
async function digestOf(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const lasting = files.filter((path) => !path.includes('/streaming/')).toSorted();
  return await Promise.all(
    lasting.map(
      async (path) =>
        `${path} ${createHash('sha256')
          .update(await readFile(path))
          .digest('hex')}`,
    ),
  );
}

/** Numbers of the segments in the index, in its order, as often as they stand there. */
async function archived(home: TestHome): Promise<readonly number[]> {
  const text = await readFile(home.server('main', 'wals', 'main-xlog.db'), 'utf8').catch(() =>
    readFile(home.server('main', 'wals', 'xlog.db'), 'utf8'),
  );
  const names = text.split('\n').flatMap((line) => /^([\dA-F]{24})\t/.exec(line)?.[1] ?? []);
  return names.map((name) => Number.parseInt(name.slice(8, 16), 16) * 256 + Number.parseInt(name.slice(16), 16));
}

function consecutive(first: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => first + index);
}
