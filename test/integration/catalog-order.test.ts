// Ids that are out of order: where the clock of the backup host went back, a newer backup may have a smaller one. Deletion, retention and
// restore go by the place in the WAL. The servers are real; the ids are changed afterwards, as Barman or an older release chose them.
import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedWals, namesIn } from '../helpers/archived-wals.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTestHome, type IniSection, type TestHome } from '../helpers/test-home.ts';

/** The local times of four backups around the hour that was repeated: the third was made after the second. */
const [first, second, third, fourth] = ['20251026T003000', '20251026T023000', '20251026T021500', '20251026T040000'] as const;

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let home: TestHome;
    let cluster: PostgresServer;

    beforeAll(async () => {
      home = await opened.add(createTestHome({ owner: 'server' }));
      const incoming = home.server('main', 'incoming');
      await mkdir(incoming, { recursive: true });
      await home.own(home.path);
      const settings = { archive_mode: 'on', archive_command: `cp %p ${incoming}/%f` };
      cluster = await opened.add(startCluster({ major, settings }));
      await configure({});
      await cluster.query('CREATE TABLE story (line text)');
      const made: string[] = [];
      for (const id of [first, second, third, fourth]) {
        await cluster.query(`INSERT INTO story VALUES ('before ${id}')`);
        await runWell(['backup', '--wait', 'main'], { home });
        made.push((await listed())[0] ?? '');
        await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
      }
      for (const [number, id] of [first, second, third, fourth].entries()) await giveId(made[number] ?? '', id);
    }, 120_000);
    afterAll(async () => opened.close());

    const configure = async (more: IniSection): Promise<void> =>
      home.writeServer('main', {
        conninfo: cluster.conninfo({ user: 'barman' }),
        streaming_conninfo: cluster.conninfo({ user: 'streaming_barman' }),
        path_prefix: cluster.clientsDir,
        backup_method: 'postgres',
        archiver: 'on',
        immediate_checkpoint: 'on',
        ...more,
      });

    const listed = async (): Promise<string[]> =>
      (await runWell(['list-backups', '--minimal', 'main'], { home })).trim().split('\n');

    /** The backup under another id, its folder and both copies of its record. */
    async function giveId(id: string, to: string): Promise<void> {
      const record = (await readFile(home.server('main', 'meta', `${id}-backup.info`), 'utf8')).replaceAll(id, to);
      await rename(home.server('main', 'base', id), home.server('main', 'base', to));
      for (const path of [home.server('main', 'base', to, 'backup.info'), home.server('main', 'meta', `${to}-backup.info`)]) {
        await rm(path, { force: true });
        await writeFile(path, record);
      }
      await rm(home.server('main', 'meta', `${id}-backup.info`));
      await home.own(home.server('main'));
    }

    async function restoresAll(id: string): Promise<void> {
      const dataDir = await home.makeFolder(`restored-${id}-${String(Date.now())}`);
      await runWell(['restore', 'main', id, dataDir], { home });
      await using restored = await startRestored({ dataDir, major, wait: 'promoted' });
      expect(await restored.value('SELECT count(*) FROM story')).toBe('4');
    }

    test('listings begin with the backup that began last in the WAL', async () => {
      expect(await listed()).toEqual([fourth, third, second, first]);
      expect(await runWell(['show-backup', 'main', third], { home })).toMatch(new RegExp(`Previous Backup +: ${second}`));
      expect(await runWell(['show-backup', 'main', 'latest'], { home })).toContain(`Backup ${fourth}`);
    });

    test('retention deletes the oldest in the WAL, and keeps the WAL of the two that the clock mixed up', async () => {
      await configure({ retention_policy: 'REDUNDANCY 3' });
      await runWell(['cron'], { home });
      expect(await listed()).toEqual([fourth, third, second]);
      await restoresAll(second);
      await restoresAll(third);
    });

    test('of those two retention keeps the one that began later, though its id is smaller', async () => {
      await configure({ retention_policy: 'REDUNDANCY 1' });
      await runWell(['delete', 'main', fourth], { home });
      const report = await runWell(['list-backups', 'main'], { home });
      expect(report).toMatch(new RegExp(`${second}.*OBSOLETE`));
      expect(report).not.toMatch(new RegExp(`${third}.*OBSOLETE`));
      await runWell(['cron'], { home });
      expect(await listed()).toEqual([third]);
      await restoresAll(third);
    });

    test('a backup that is made where the clock is behind has a greater id than those before', async () => {
      await configure({});
      const last = (await listed())[0] ?? '';
      await giveId(last, '20990101T000000'); // as one that was made before the clock was set back
      await runWell(['backup', '--wait', 'main'], { home, env: { TZ: 'Etc/GMT+12' } });
      const ids = (await namesIn(home.server('main', 'base'))).toSorted();
      expect(ids).toHaveLength(2);
      expect(await listed()).toEqual(ids.toReversed());
      await restoresAll('latest');
    });

    test('cron deletes 300 obsolete backups with 64 file descriptors', async () => {
      const [newest = '', oldest = ''] = await listed();
      const record = await readFile(home.server('main', 'meta', `${oldest}-backup.info`), 'utf8');
      for (let number = 0; number < 300; number++) {
        const id = `20250101T${String(100_000 + number)}`;
        await mkdir(home.server('main', 'base', id, 'data', 'base'), { recursive: true });
        for (const name of ['backup_label', 'PG_VERSION', 'base/1']) {
          await writeFile(home.server('main', 'base', id, 'data', name), name);
        }
        await writeFile(home.server('main', 'base', id, 'backup.info'), record.replaceAll(oldest, id));
        await writeFile(home.server('main', 'meta', `${id}-backup.info`), record.replaceAll(oldest, id));
      }
      await promisify(execFile)('chown', ['-R', '--reference', home.path, home.server('main')]);
      await configure({ retention_policy: 'REDUNDANCY 1' });
      const limited = ['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh', await programPath(home), '-c', home.configFile, 'cron'];
      const { exitCode, stderr } = await runProgram(home.argv(limited), settingsOf({ home }));
      expect(stderr).not.toMatch(/EMFILE|EXCEPTION|ERROR/);
      expect(exitCode).toBe(0);
      expect(await namesIn(home.server('main', 'base'))).toEqual([newest]);
      expect(await listed()).toEqual([newest]);
      expect((await archivedWals(home)).length).toBeLessThan(10);
      await restoresAll(newest);
    }, 120_000);
  },
  [18],
);
