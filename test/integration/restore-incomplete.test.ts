// A backup that has lost something since it was taken: a restore names it before it writes anything, and does its work when it is there again.
import { access, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;
    let folder: TemporaryFolder;
    /** Of the tables, below the data folder and below the folder of the tablespace. */
    let relation: string;
    let far: string;
    let oid: string;
    let plain: string;
    let copied: string;
    let chained: string;
    let packed: string;

    beforeAll(async () => {
      cluster = await opened.add(startCluster({ major, settings: { summarize_wal: true }, initdbArgs: ['--wal-segsize=1'] }));
      home = await opened.add(createTestHome({ servers: { main: streamingServer(cluster) } }));
      folder = await opened.add(createTemporaryFolder('in', { owner: 'server' }));
      const place = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
      await startReceiver(home, cluster);
      await cluster.query(`CREATE TABLESPACE far LOCATION '${place.path}'`);
      await cluster.query('CREATE TABLE rows AS SELECT i FROM generate_series(1, 5000) i');
      await cluster.query('CREATE TABLE distant TABLESPACE far AS SELECT i FROM generate_series(1, 5000) i');
      await cluster.query('CHECKPOINT');
      relation = await cluster.value("SELECT pg_relation_filepath('rows')");
      const path = await cluster.value("SELECT pg_relation_filepath('distant')");
      [, oid = '', far = ''] = /^pg_tblspc\/(\d+)\/(.*)$/.exec(path) ?? [];
      plain = await backUp({});
      chained = await backUp({}, '--incremental', plain);
      copied = await backUp({ backup_method: 'local-rsync' });
      packed = await backUp({ backup_compression: 'gzip' });
    });
    afterAll(() => opened.close());

    async function backUp(options: IniSection, ...words: string[]): Promise<string> {
      await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true, ...options }));
      await runWell(['backup', '--wait', ...words, 'main'], { home });
      return (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n')[0] ?? '';
    }

    const fileOf = (id: string, ...below: string[]) => home.server('main', 'base', id, ...below);
    const wordsFor = (id: string, name: string) => [
      'restore',
      `--tablespace=far:${join(folder.path, `${name}-far`)}`,
      'main',
      id,
      join(folder.path, name),
    ];

    async function away(path: string): Promise<() => Promise<void>> {
      await rename(path, join(folder.path, 'away'));
      return async () => await rename(join(folder.path, 'away'), path);
    }

    async function cutShort(path: string, bytes = 8192): Promise<() => Promise<void>> {
      const content = await readFile(path);
      await truncate(path, bytes);
      return async () => await writeFile(path, content);
    }

    const losses: readonly {
      readonly what: string;
      readonly says: () => string;
      readonly id: () => string;
      readonly lose: () => Promise<() => Promise<void>>;
      readonly isNeverAllowed?: true;
    }[] = [
      {
        what: 'its label',
        says: () => 'backup_label is missing, without which PostgreSQL begins recovery at a wrong position',
        id: () => plain,
        lose: () => away(fileOf(plain, 'data/backup_label')),
        isNeverAllowed: true,
      },
      {
        what: 'its label, of files that rsync copied',
        says: () => 'backup_label is missing',
        id: () => copied,
        lose: () => away(fileOf(copied, 'data/backup_label')),
        isNeverAllowed: true,
      },
      {
        what: 'its label, in a tar file',
        says: () => 'backup_label is missing',
        id: () => packed,
        lose: () => repacked((data) => rm(join(data, 'backup_label'))),
        isNeverAllowed: true,
      },
      {
        what: 'an empty folder that PostgreSQL needs',
        says: () => 'folders are missing without which PostgreSQL does not start: pg_notify',
        id: () => plain,
        lose: async () => {
          await rename(fileOf(plain, 'data/pg_notify'), fileOf(plain, 'data/elsewhere'));
          return async () => await rename(fileOf(plain, 'data/elsewhere'), fileOf(plain, 'data/pg_notify'));
        },
      },
      {
        what: 'the file of a table',
        says: () => `${relation} is missing`,
        id: () => plain,
        lose: () => away(fileOf(plain, 'data', relation)),
      },
      {
        what: 'most of the file of a table',
        says: () => `${relation} has 8192 bytes instead of `,
        id: () => plain,
        lose: () => cutShort(fileOf(plain, 'data', relation)),
      },
      {
        what: 'a file of a tablespace',
        says: () => `pg_tblspc/${oid}/${far} is missing`,
        id: () => plain,
        lose: () => away(fileOf(plain, oid, far)),
      },
      {
        what: 'a file of the backup that it builds on',
        says: () => `backup ${plain} is not complete: ${relation} is missing`,
        id: () => chained,
        lose: () => away(fileOf(plain, 'data', relation)),
      },
      {
        what: 'a file that rsync copied, of which there is no list',
        says: () => 'bytes in all, its record says ',
        id: () => copied,
        lose: () => away(fileOf(copied, 'data', relation)),
      },
      {
        what: 'the end of a tar file',
        says: () => 'bytes in all, its record says ',
        id: () => packed,
        lose: () => cutShort(fileOf(packed, 'data/base.tar.gz'), 100_000),
        isNeverAllowed: true,
      },
    ];

    /** Changes what is in the tar file; its size stays. */
    async function repacked(change: (data: string) => Promise<void>): Promise<() => Promise<void>> {
      const path = fileOf(packed, 'data/base.tar.gz');
      const { size } = await stat(path);
      const data = join(folder.path, 'repacked');
      const restore = await away(path);
      const script = 'mkdir "$2" && tar -C "$2" -xzf "$1"';
      expect(await runProgram(['sh', '-c', script, 'sh', join(folder.path, 'away'), data])).toMatchObject({ exitCode: 0 });
      await change(data);
      expect(await runProgram(['tar', '-C', data, '-cf', `${path}.tar`, '.'])).toMatchObject({ exitCode: 0 });
      expect(await runProgram(['sh', '-c', 'gzip -1 < "$1.tar" > "$1"; rm -r "$1.tar" "$2"', 'sh', path, data])).toMatchObject({
        exitCode: 0,
      });
      if ((await stat(path)).size < size) await truncate(path, size); // gzip passes over zeros at the end
      return restore;
    }

    test.each(losses)('a backup that has lost $what is refused with its name, before anything is written', async (loss) => {
      const giveBack = await loss.lose();
      try {
        const destination = join(folder.path, 'refused');
        const refused = await runPgcellar(wordsFor(loss.id(), 'refused'), { home });
        expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(loss.says()) as string });
        expect(refused.stderr.includes('--allow incomplete-backup')).toBe(loss.isNeverAllowed !== true);
        const words = ['--dry-run', '--allow', 'incomplete-backup'];
        const allowed = await runPgcellar([...wordsFor(loss.id(), 'refused'), ...words], { home });
        expect(allowed).toMatchObject({ exitCode: loss.isNeverAllowed === true ? 1 : 0 });
        await expect(access(destination)).rejects.toThrow('ENOENT');
      } finally {
        await giveBack();
      }
    });

    test('a backup that cannot be compared or has no configuration is restored, and told with what to do', async () => {
      const manifest = fileOf(plain, 'data/backup_manifest');
      const dryRun = async (...words: string[]) =>
        await runPgcellar([...wordsFor(plain, 'told'), '--dry-run', ...words], { home });
      const putBack = await cutShort(manifest);
      try {
        const { stderr } = await dryRun('--allow', 'incomplete-backup');
        expect(stderr).toContain(`the backup_manifest of backup ${plain} is cut short`);
      } finally {
        await putBack();
      }
      const configuration = await readFile(fileOf(plain, 'data/postgresql.conf'));
      const manifestBack = await away(manifest);
      await rm(fileOf(plain, 'data/postgresql.conf'));
      const destination = join(folder.path, 'told');
      try {
        expect((await dryRun()).stderr).toContain(`the backup_manifest of backup ${plain} is missing, so it is not known`);
        const { exitCode, stderr } = await runPgcellar(wordsFor(plain, 'told'), { home });
        expect({ exitCode, stderr }).toMatchObject({
          exitCode: 0,
          stderr: expect.stringContaining(
            `postgresql.conf is not part of the backup: its server read ${cluster.dataDir}/postgresql.conf. PostgreSQL does not start without one: put it, pg_hba.conf and pg_ident.conf into ${destination}`,
          ) as string,
        });
        const label = fileOf(plain, 'data/backup_label');
        await rename(label, `${label}.away`);
        expect(await dryRun('--allow', 'incomplete-backup')).toMatchObject({ exitCode: 1 });
        await rename(`${label}.away`, label);
      } finally {
        await writeFile(fileOf(plain, 'data/postgresql.conf'), configuration);
        await manifestBack();
      }
      await writeFile(join(destination, 'postgresql.conf'), configuration);
      await using server = await startRestored({ dataDir: destination, tablespaces: [`${destination}-far`], major });
      expect(await server.value('SELECT count(*) FROM rows')).toBe('5000');
    });

    describe('with all that was lost in its place', () => {
      test.each([
        { form: 'plain', id: () => plain },
        { form: 'incremental', id: () => chained },
        { form: 'copied', id: () => copied },
        { form: 'packed', id: () => packed },
      ])('a restore of the $form backup starts and has all rows', async ({ form, id }) => {
        await runWell(wordsFor(id(), form), { home });
        const [dataDir, tablespace] = [join(folder.path, form), join(folder.path, `${form}-far`)];
        await using server = await startRestored({ dataDir, tablespaces: [tablespace], major });
        expect(await server.value('SELECT (SELECT count(*) FROM rows) + (SELECT count(*) FROM distant)')).toBe('10000');
      });
    });

    test('a file that is missing in a tar file ends its restore without a control file', async () => {
      const giveBack = await repacked((data) => rm(join(data, relation)));
      try {
        const result = await runPgcellar(wordsFor(packed, 'torn'), { home });
        expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(`${relation} is missing`) as string });
        expect(await readdir(join(folder.path, 'torn/global'))).not.toContain('pg_control');
      } finally {
        await giveBack();
      }
    });

    test('the rest of a backup can be restored on request', async () => {
      const giveBack = await away(fileOf(plain, 'data', relation));
      try {
        await runWell([...wordsFor(plain, 'rest'), '--allow', 'incomplete-backup'], { home });
      } finally {
        await giveBack();
      }
      const [dataDir, tablespace] = [join(folder.path, 'rest'), join(folder.path, 'rest-far')];
      await using server = await startRestored({ dataDir, tablespaces: [tablespace], major });
      expect(await server.value('SELECT count(*) FROM distant')).toBe('5000');
      await expect(server.value('SELECT count(*) FROM rows')).rejects.toThrow('could not open file');
    });
  },
  [18],
);
