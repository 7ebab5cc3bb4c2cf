// Base backups by pg_basebackup: plain, and tar with every compression, from every version of PostgreSQL, with two tablespaces, odd
// names and checksums. Each is restored, started, and holds the rows that were there.
import { execFile } from 'node:child_process';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addBoundaryRelation, boundaryChecksum, dropBoundaryRelation, oddDatabase } from '../helpers/boundary-relation.ts';
import { describeEachPostgres, requireOracle, requirePostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

interface Cell {
  readonly title: string;
  readonly options: IniSection;
  /** Ending of its tar files; undefined for plain files. */
  readonly ending?: string;
  /** `compression` of the record. */
  readonly recorded: string;
}

const plain: Cell = { title: 'plain files', options: {}, recorded: 'None' };

function tar(type: string, ending: string, more: IniSection = {}): Cell {
  const words = Object.entries(more).map(([key, value]) => `, ${key} ${String(value)}`);
  const options = Object.entries(more).map(([key, value]) => [`backup_compression_${key}`, value]);
  return {
    title: `tar files, ${type}${words.join('')}`,
    options: { backup_compression: type, ...(Object.fromEntries(options) as IniSection) },
    ending,
    recorded: type,
  };
}

function unpacked(type: string): Cell {
  const options = {
    backup_compression: type,
    backup_compression_format: 'plain',
    backup_compression_location: 'server',
  };
  return { title: `plain files, ${type} on the way`, options, recorded: 'None' };
}

/**
 * Every cell once, where it is possible: the format does not depend on the server, what it is asked for does. The first one of each version
 * has the relation of more than a gigabyte.
 */
const cells: Readonly<Record<number, readonly Cell[]>> = {
  13: [tar('gzip', '.tar.gz', { level: 1 }), plain],
  14: [tar('zstd', '.tar.zst', { location: 'client' }), tar('none', '.tar')],
  15: [tar('lz4', '.tar.lz4'), plain, unpacked('zstd')],
  16: [tar('gzip', '.tar.gz', { location: 'server', level: -1, format: 'tar' })],
  17: [unpacked('lz4'), tar('zstd', '.tar.zst', { location: 'server', level: 3 }), unpacked('gzip')],
  18: [plain, tar('zstd', '.tar.zst', { workers: 2 }), tar('lz4', '.tar.lz4', { location: 'server', level: 9 })],
};

const sumOf = (table: string): string => `SELECT count(*) || ' ' || coalesce(sum(hashtext(t::text)), 0) FROM ${table} t`;
const tables = ['public.here', 'public.there', 'public."viel, größer"'];

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;
    let sums: readonly string[];
    let hasBoundary = true;

    beforeAll(async () => {
      requireOracle();
      cluster = await opened.add(startCluster({ major }));
      for (const name of ['far', 'größer & =weiter']) {
        const place = await opened.add(createTemporaryFolder(name, { owner: 'server' }));
        await cluster.query(`CREATE TABLESPACE "${name}" LOCATION '${place.path}'`);
      }
      const rows = 'SELECT i, md5(i::text) AS text FROM generate_series(1, 5000) i';
      await cluster.query(`CREATE TABLE here AS ${rows}`);
      await cluster.query(`CREATE TABLE there TABLESPACE far AS ${rows}`);
      await cluster.query(`CREATE TABLE "viel, größer" TABLESPACE "größer & =weiter" AS ${rows}`);
      home = await opened.add(createTestHome({ global: { compression: '' } }));
      await configure({});
      await startReceiver(home, cluster);
      await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
      await addBoundaryRelation(cluster);
      sums = await Promise.all(tables.map(async (table) => await cluster.value(sumOf(table))));
    });
    afterAll(async () => opened.close());

    const configure = async (options: IniSection): Promise<void> => {
      await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true, ...options }));
    };

    test.each(cells[major] ?? [])('$title are complete, and come back by the real Barman', async (cell) => {
      await configure(cell.options);
      await runWell(['backup', '--wait', 'main'], { home });
      const id = (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n')[0] ?? '';
      const record = await readFile(home.server('main', 'meta', `${id}-backup.info`), 'utf8');
      expect(record).toContain(`\ncompression=${cell.recorded}\n`);
      expect(record).toContain('\nstatus=DONE\n');
      expect(record).toMatch(/^backup_label='START WAL LOCATION: /);
      const data = home.server('main', 'base', id, 'data');
      await expectLayout(data, cell);
      await expectVerified(id, cell);
      await configure(cell.options);
      const restored = await home.makeFolder(`restored-${String(major)}-${cell.title.replaceAll(/\W/g, '')}`);
      await expectRestorable({ id, folder: restored });
      if (hasBoundary) await dropBoundaryRelation(cluster); // a gigabyte in one cell of each version is enough
      hasBoundary = false;
    });

    const expectLayout = async (data: string, { ending }: Cell): Promise<void> => {
      const names = await readdir(data);
      const oids = (
        await cluster.query<{ oid: number }>("SELECT oid FROM pg_tablespace WHERE spcname NOT LIKE 'pg!_%' ESCAPE '!'")
      ).map(({ oid }) => String(oid));
      expect(names).toContain('backup_manifest');
      if (ending === undefined) {
        expect(names).toEqual(expect.arrayContaining(['backup_label', 'base', 'PG_VERSION']));
      } else {
        const archives = ['base', ...oids].map((name) => `${name}${ending}`);
        expect(names.toSorted()).toEqual([...archives, 'backup_manifest'].toSorted());
      }
      const folders = await readdir(join(data, '..'));
      expect(folders).toEqual(expect.arrayContaining(['data', ...oids]));
    };

    /** The real Barman says the same. */
    const expectVerified = async (id: string, { ending }: Cell): Promise<void> => {
      const words = ['verify-backup', 'main', id];
      const { exitCode, stdout, stderr } = await runPgcellar(words, { home });
      if (ending !== undefined && major < 18) {
        await expectVerifiedByNewer(words);
        if (exitCode === 0) return; // release 18 is installed here, and found
        expect(exitCode).toBe(1);
        expect(stderr).toMatch(/a backup in tar format needs pg_verifybackup 18 or newer: .* is version 1[57]/);
        return;
      }
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      expect(stdout).toMatch(
        /^Verifying backup '\w+' on server \['main'\]\nCalling pg_verifybackup\nbackup successfully verified\n$/,
      );
      expect((await runOracle(words, { home })).stdout).toBe(stdout);
      if (major === 17) await expectVerifiedByNewer(words);
    };

    /** `pg_verifybackup` 18 takes the control file of release 17 for damaged: it is left out, which is told. */
    const expectVerifiedByNewer = async (words: readonly string[]): Promise<void> => {
      const newer = { ...streamingServer(cluster), path_prefix: requirePostgres(18).clientsDir };
      await home.writeServer('main', newer);
      const { exitCode, stdout, stderr } = await runPgcellar(words, { home });
      expect({ exitCode, stdout }).toEqual({
        exitCode: 0,
        stdout: expect.stringContaining('backup successfully verified') as string,
      });
      const warning = /^WARNING: global\/pg_control of backup \w+ is not verified: pg_verifybackup 18\S* .* PostgreSQL 17\n$/;
      expect(stderr).toMatch(major === 17 ? warning : /^$/);
    };

    const expectRestorable = async ({ id, folder }: { id: string; folder: string }): Promise<void> => {
      const [data, far, farther] = [join(folder, 'data'), join(folder, 'far'), join(folder, 'farther')];
      const staging = join(folder, 'staging');
      await mkdir(staging);
      const places = ['--tablespace', `far:${far}`, '--tablespace', `größer & =weiter:${farther}`];
      const words = [
        'restore',
        ...places,
        '--recovery-staging-path',
        staging,
        '--local-staging-path',
        staging,
        'main',
        id,
        data,
      ];
      const { exitCode, stdout, stderr } = await runOracle(words, { home });
      expect({ exitCode, stdout: exitCode === 0 ? '' : stdout, stderr: exitCode === 0 ? '' : stderr }).toEqual({
        exitCode: 0,
        stdout: '',
        stderr: '',
      });
      await using server = await startRestored({ dataDir: data, tablespaces: [far, farther], major, wait: 'promoted' });
      expect(await Promise.all(tables.map(async (table) => await server.value(sumOf(table))))).toEqual(sums);
      if (hasBoundary) expect(await boundaryChecksum(server)).toBe(await boundaryChecksum(cluster));
      expect(await server.value('SHOW data_checksums')).toBe('on');
      const checker = join(server.clientsDir, 'pg_amcheck');
      if (major >= 14) {
        await server.query('CREATE EXTENSION IF NOT EXISTS amcheck');
        const words = ['-h', '127.0.0.1', '-p', String(server.port), '-U', 'postgres'];
        await promisify(execFile)(checker, [...words, 'postgres']);
        if (hasBoundary) {
          await server.query('CREATE EXTENSION IF NOT EXISTS amcheck', { dbname: oddDatabase });
          await promisify(execFile)(checker, [...words, oddDatabase]);
        }
      }
    };

    if (major === 18)
      test('a damaged file is named by verify-backup, in the words of the real Barman', async () => {
        const ids = (await runWell(['list-backups', '--minimal', 'main'], { home })).trim().split('\n');
        const id = ids.at(-1) ?? ''; // the plain one
        await writeFile(home.server('main', 'base', id, 'data', 'PG_VERSION'), '99\n');
        const words = ['verify', 'main', 'oldest'];
        const [ours, theirs] = [await runPgcellar(words, { home }), await runOracle(words, { home })];
        expect(ours.stderr).toMatch(
          /^ERROR: verify backup failure on directory '.*\/data'\nERROR: .*checksum mismatch for file "PG_VERSION"/,
        );
        expect(ours).toMatchObject({ exitCode: 1, stdout: theirs.stdout, stderr: theirs.stderr.replace(/\n\n$/, '\n') });
      });

    if (major === 16)
      test('configuration outside the data folder is named, as the real Barman does, unless it is known', async () => {
        const outside = await opened.add(createTemporaryFolder('conf', { owner: 'server' }));
        await writeFile(join(outside.path, 'more.conf'), 'work_mem = 5MB\n');
        await appendFile(join(cluster.dataDir, 'postgresql.conf'), `include '${outside.path}/more.conf'\n`);
        cluster.reload();
        await waitFor('the file is read', async () => (await cluster.value('SHOW work_mem')) === '5MB');
        const warning = `WARNING: pg_basebackup does not copy the PostgreSQL configuration files that reside outside PGDATA. Please manually backup the following files:\n\t${outside.path}/more.conf\n\n`;
        await configure({});
        expect((await runPgcellar(['backup', 'main'], { home })).stderr).toContain(warning);
        await configure({ backup_options: 'concurrent_backup, external_configuration' });
        expect((await runPgcellar(['backup', 'main'], { home })).stderr).not.toContain('outside PGDATA');
      });

    if (major === 13) {
      test('a setting that these versions do not support disables the server: check gives the reason, and backup refuses', async () => {
        await configure({ backup_compression: 'gzip', backup_compression_location: 'server' });
        const check = await runPgcellar(['check', 'main'], { home });
        expect(check.exitCode).toBe(1);
        expect(check.stdout).toMatch(/\tconfiguration: FAILED\n\t\tbackup_compression_location = server needs PostgreSQL 15/);
        const backup = await runPgcellar(['backup', 'main'], { home });
        expect(backup).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/needs PostgreSQL 15 or newer/) as string });
      });
    }
  },
  [13, 14, 15, 16, 17, 18],
);
