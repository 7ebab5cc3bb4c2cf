// Chains of incremental backups: what our records say of them, what the real Barman makes of ours, and everything that speaks against
// building on a backup, told before a byte is copied.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatCompactTime, localTimestamp } from '../../src/shared/timestamp.ts';
import { describeEachPostgres, requireOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { stableFields } from '../helpers/stable-fields.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;

    beforeAll(async () => {
      requireOracle();
      cluster = await opened.add(startCluster({ major, settings: { summarize_wal: true } }));
      const place = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
      await cluster.query(`CREATE TABLESPACE far LOCATION '${place.path}'`);
      await cluster.query('CREATE TABLE rows (name text) TABLESPACE far');
      await cluster.query('CREATE TABLE bulk AS SELECT i, md5(i::text) AS text FROM generate_series(1, 20000) i');
      home = await opened.add(createTestHome({ global: { compression: '' } }));
      await configure();
      await startReceiver(home, cluster);
      await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    });
    afterAll(async () => opened.close());

    const configure = async (options: IniSection = {}): Promise<void> => {
      await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true, ...options }));
    };
    const backUp = async (...words: string[]): Promise<string> => {
      await runWell(['backup', '--wait', ...words, 'main'], { home });
      return (await listed())[0] ?? '';
    };
    const listed = async (): Promise<string[]> =>
      (await runWell(['list-backups', '--minimal', 'main'], { home })).trim().split('\n');
    const recordPath = (id: string): string => home.server('main', 'meta', `${id}-backup.info`);
    const field = async (id: string, key: string): Promise<string | undefined> =>
      new RegExp(`^${key}=(.*)$`, 'm').exec(await readFile(recordPath(id), 'utf8'))?.[1];
    const insert = async (name: string): Promise<void> => {
      await cluster.query('INSERT INTO rows VALUES ($1)', { parameters: [name] });
    };
    /** Both answer alike. */
    const expectAgreement = async (...words: string[]): Promise<void> => {
      const [ours, theirs] = [await runPgcellar(words, { home, as: 'barman' }), await runOracle(words, { home })];
      expect({ exitCode: ours.exitCode, stdout: ours.stdout }).toEqual({ exitCode: theirs.exitCode, stdout: theirs.stdout });
    };

    if (major === 17)
      test.each([{}, { backup_compression: 'gzip' }, { backup_compression: 'none' }])(
        'a full backup with %j has the fields that the real Barman writes: those of one cluster differ in time, place in WAL and size only',
        async (options) => {
          await configure(options);
          const ours = await backUp('--name', 'alike');
          await waitFor('the second of our backup is over', () => formatCompactTime(localTimestamp(new Date())) > ours);
          expect(await runOracle(['backup', '--name', 'alike', 'main'], { home })).toMatchObject({ exitCode: 0 });
          const theirs = (await listed())[0] ?? '';
          expect(theirs).not.toBe(ours);
          expect(await stableFields(recordPath(ours))).toEqual(await stableFields(recordPath(theirs)));
          for (const id of [ours, theirs]) await runWell(['delete', 'main', id], { home });
          await configure();
        },
      );

    describe('a chain', () => {
      let full: string;
      let child: string;
      let grandchild: string;
      let sibling: string;

      beforeAll(async () => {
        await insert('full');
        full = await backUp();
        await insert('child');
        child = await backUp('--incremental', 'latest', '--name', 'monday');
        await insert('grandchild');
        grandchild = await backUp('--incremental', 'monday');
        await configure({ backup_compression: 'gzip' }); // which Barman restores alone, and not in a chain
        sibling = await backUp('--incremental', 'latest-full');
        await configure();
      });

      test('is told by the records, both ways', async () => {
        expect(await field(full, 'parent_backup_id')).toBe('None');
        expect(await field(full, 'children_backup_ids')).toBe(`${child},${sibling}`);
        expect(await field(child, 'parent_backup_id')).toBe(full);
        expect(await field(child, 'children_backup_ids')).toBe(grandchild);
        expect(await field(grandchild, 'parent_backup_id')).toBe(child);
        expect(await field(grandchild, 'children_backup_ids')).toBe('None');
        expect(await field(sibling, 'parent_backup_id')).toBe(full);
        expect(await field(child, 'summarize_wal')).toBe('on');
        expect(Number(await field(child, 'size'))).toBeLessThan(Number(await field(full, 'size')) / 2);
      });

      test('is listed and shown by the real Barman as by us', async () => {
        await expectAgreement('list-backups', 'main');
        for (const id of [full, child, sibling]) await expectAgreement('show-backup', 'main', id);
      });

      test('comes back by the real Barman', async () => {
        const [data, far, staging] = ['data', 'far', 'staging'].map((name) => join(home.folder, `barman-${name}`)) as [
          string,
          string,
          string,
        ]; // of three
        await mkdir(staging);
        const where = ['--tablespace', `far:${far}`, '--recovery-staging-path', staging, '--local-staging-path', staging];
        const env = { PATH: `${cluster.clientsDir}:/usr/bin:/bin` };
        const result = await runOracle(['restore', ...where, 'main', grandchild, data], { home, env });
        expect({ exitCode: result.exitCode, stderr: result.exitCode === 0 ? '' : result.stdout + result.stderr }).toEqual({
          exitCode: 0,
          stderr: '',
        });
        await using server = await startRestored({ dataDir: data, tablespaces: [far], major, wait: 'promoted' });
        const rows = await server.query<{ name: string }>('SELECT name FROM rows ORDER BY name');
        expect(rows.map(({ name }) => name)).toEqual(['child', 'full', 'grandchild']);
      });

      test('keeps a failed child in the list of its parent until that is deleted', async () => {
        await configure({ pre_backup_retry_script: 'exit 63' });
        const { exitCode } = await runPgcellar(['backup', '--incremental', full, 'main'], { home });
        await configure();
        expect(exitCode).toBe(1);
        const failed = (await listed())[0] ?? '';
        expect(await field(failed, 'status')).toBe('FAILED');
        expect(await field(full, 'children_backup_ids')).toBe(`${child},${sibling},${failed}`);
        await expectAgreement('list-backups', 'main');
        await runWell(['delete', 'main', failed], { home });
        expect(await field(full, 'children_backup_ids')).toBe(`${child},${sibling}`);
      });

      test('is told anew to a parent whose record a crash left behind', async () => {
        const record = await readFile(recordPath(full), 'utf8');
        await writeFile(recordPath(full), record.replace(/^children_backup_ids=.*$/m, 'children_backup_ids=None'));
        await runWell(['cron'], { home });
        expect(await field(full, 'children_backup_ids')).toBe(`${child},${sibling}`);
      });

      if (major === 17)
        describe('is not built on', () => {
          const refused = async (parent: string, reason: RegExp, hint: RegExp): Promise<void> => {
            const before = await listed();
            const { exitCode, stderr } = await runPgcellar(['backup', '--incremental', parent, 'main'], { home });
            expect(exitCode).toBe(1);
            expect(stderr.split('\n')[0]).toMatch(reason);
            expect(stderr).toMatch(hint);
            expect(await listed()).toEqual(before);
            expect((await readdir(home.server('main', 'base'))).toSorted()).toEqual(before.toSorted());
          };
          const changed = async (id: string, change: (record: string) => string, work: () => Promise<void>): Promise<void> => {
            const record = await readFile(recordPath(id), 'utf8');
            await writeFile(recordPath(id), change(record));
            await work();
            await writeFile(recordPath(id), record);
          };

          test('when it is not there', async () => {
            await refused('20200101T000000', /Unknown backup '20200101T000000'/, /list-backups main shows/);
          });

          test('when it has failed', async () => {
            const fail = (record: string): string => record.replace('status=DONE', 'status=FAILED');
            await changed(sibling, fail, () =>
              refused(sibling, /its status is FAILED/, /choose another parent, or take a full/),
            );
          });

          test('when one that it is built on is gone', async () => {
            await rename(recordPath(child), `${recordPath(child)}.away`);
            const copy = home.server('main', 'base', child, 'backup.info');
            await rename(copy, `${copy}.away`);
            const { stderr } = await runPgcellar(['backup', '--incremental', grandchild, 'main'], { home });
            expect(stderr).toMatch(new RegExp(`backup ${child}, which ${grandchild} is built on, is missing`));
            await rename(`${copy}.away`, copy);
            await rename(`${recordPath(child)}.away`, recordPath(child));
          });

          test('when its deletion has begun', async () => {
            const mark = home.server('main', 'meta', `${sibling}-delete_this`);
            await writeFile(mark, 'delete');
            await refused(sibling, /is being deleted/, /choose another parent/);
            await rm(mark);
          });

          test('when it is of another cluster', async () => {
            const move = (record: string): string => record.replace(/^systemid=.*$/m, 'systemid=7000000000000000000');
            await changed(full, move, () =>
              refused(full, /is of another cluster: .*7000000000000000000/, /take a full backup/),
            );
          });

          test('when its manifest is gone', async () => {
            const manifest = home.server('main', 'base', sibling, 'data', 'backup_manifest');
            await rename(manifest, `${manifest}.away`);
            await refused(sibling, /has no backup_manifest/, /choose another parent/);
            await rename(`${manifest}.away`, manifest);
          });

          test('when WAL was not summarized then', async () => {
            const off = (record: string): string => record.replace('summarize_wal=on', 'summarize_wal=off');
            await changed(sibling, off, () => refused(sibling, /taken while summarize_wal was off/, /take a full backup/));
          });

          test('when WAL is not summarized now', async () => {
            await cluster.query("ALTER SYSTEM SET summarize_wal = 'off'");
            await cluster.query('SELECT pg_reload_conf()');
            await waitFor('summarizing is off', async () => (await cluster.value('SHOW summarize_wal')) === 'off');
            await refused(full, /need summarize_wal = on/, /ALTER SYSTEM SET summarize_wal/);
            await cluster.query("ALTER SYSTEM SET summarize_wal = 'on'");
            await cluster.query('SELECT pg_reload_conf()');
            await waitFor('summarizing is on', async () => (await cluster.value('SHOW summarize_wal')) === 'on');
          });

          test('with a method that knows no blocks', async () => {
            await configure({
              backup_method: 'rsync',
              ssh_command: 'ssh postgres@127.0.0.1',
              backup_options: 'concurrent_backup',
            });
            await refused(full, /needs backup_method = postgres|not available yet/, /./);
            await configure();
          });
        });

      if (major === 17)
        test('has the fields that the real Barman writes: those of one cluster differ in time, place in WAL and size only', async () => {
          const words = ['backup', '--incremental', full];
          const ours = await backUp('--incremental', full);
          await waitFor('the second of our backup is over', () => formatCompactTime(localTimestamp(new Date())) > ours);
          expect((await runOracle([...words, 'main'], { home })).exitCode).toBe(0);
          const theirs = (await listed())[0] ?? '';
          expect(theirs).not.toBe(ours);
          expect(await stableFields(recordPath(ours))).toEqual(await stableFields(recordPath(theirs)));
          for (const id of [theirs, ours]) await runWell(['delete', 'main', id], { home });
        });

      test('goes with the backup that it is built on, children first', async () => {
        const { stdout, stderr, exitCode } = await runPgcellar(['delete', 'main', child], { home });
        expect(exitCode).toBe(0);
        expect(stderr).toContain(grandchild);
        const deletions = [...stdout.matchAll(/^Deleting backup (\S+)/gm)].map(([, id]) => id);
        expect(deletions).toEqual([grandchild, child]);
        for (const id of deletions) expect(existsSync(home.server('main', 'base', id ?? ''))).toBe(false);
        expect(await field(full, 'children_backup_ids')).toBe(sibling);
        await expectAgreement('list-backups', 'main');
        await expectAgreement('show-backup', 'main', full);
      });

      if (major === 17)
        test('is left alone by retention while something is built on it', async () => {
          const newer = await backUp();
          const [holding, held] = [join(home.folder, 'holding'), join(home.folder, 'held')];
          await writeFile(holding, '');
          const hook = `sh -c 'touch ${held}; while test -e ${holding}; do sleep 0.05; done'`;
          await configure({ retention_policy: 'REDUNDANCY 1', pre_backup_script: hook });
          await using running = await spawnPgcellar(['backup', '--incremental', full, 'main'], { home });
          await waitFor('the hook holds the backup', () => existsSync(held), { explain: () => running.stderr() });
          await runWell(['cron'], { home });
          const [child] = await listed();
          expect(await listed()).toEqual([child, newer, full]);
          await rm(holding);
          expect((await running.ended).exitCode).toBe(0);
          await configure();
          expect(await field(child ?? '', 'status')).toMatch(/^(DONE|WAITING_FOR_WALS)$/);
          expect(await field(full, 'children_backup_ids')).toBe(child);
        });

      if (major === 17)
        test('is refused once the server has lost the summaries it needs', async () => {
          const folder = join(cluster.dataDir, 'pg_wal', 'summaries');
          for (const name of await readdir(folder)) await rm(join(folder, name));
          const { exitCode, stderr } = await runPgcellar(['backup', '--incremental', full, 'main'], { home });
          expect(exitCode).toBe(1);
          expect(stderr).toMatch(/has no WAL summaries from [0-9A-F]+\/[0-9A-F]+.*take a full backup.*wal_summary_keep_time/s);
        });
    });
  },
  [17, 18],
);
