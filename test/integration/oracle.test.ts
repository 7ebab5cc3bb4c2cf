// The real Barman and we on one home, taking turns: what one takes the other lists, restores, checks and deletes, and both say the
// same about it.
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatCompactTime, localTimestamp } from '../../src/shared/timestamp.ts';
import { comparableAnswer } from '../helpers/comparable-answer.ts';
import { describeEachPostgres, describeWithOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle, spawnOracle } from '../helpers/run-oracle.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult, RunningProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

type Turn = (words: readonly string[]) => Promise<ProgramResult>;

/** One server, one home, and the two that work on it. */
interface Stage {
  readonly cluster: PostgresServer;
  readonly home: TestHome;
  readonly tablespace: string;
  readonly ours: Turn;
  readonly theirs: Turn;
}

/** Backups by what they are: two of ours, one of theirs, and one more of ours. */
interface Ids {
  readonly plain: string;
  readonly spread: string;
  readonly theirs: string;
  readonly last: string;
}

describeWithOracle('beside the real Barman', () => {
  describeEachPostgres(
    (major) => {
      const opened = new Opened();
      let stage: Stage;
      let ids: Ids;

      beforeAll(async () => {
        stage = await setStage(major, opened);
        ids = await takeBackups(stage);
      });
      afterAll(async () => opened.close());

      /** The JSON form does not depend on the version of PostgreSQL, and the oracle takes its time. */
      const expectSameAnswers = async (words: readonly string[]): Promise<void> => {
        await expectAgreement(stage, words);
        if (major === 15) await expectAgreement(stage, ['-f', 'json', ...words]);
      };

      const backups: readonly (keyof Ids)[] = ['plain', 'spread', 'theirs', 'last'];
      const questions: readonly (readonly string[])[] = [
        ['list-servers'],
        ['list-servers', '--minimal'],
        ['list-backups', 'main'],
        ['list-backups', '--minimal', 'all'],
        ['status', 'main'],
        ['show-servers', 'main'],
        ['check', 'main'],
        ['replication-status', 'main'],
        ['replication-status', '--minimal', 'main'],
        ['replication-status', '--target', 'hot-standby', 'main'],
        ['replication-status', '--target', 'wal-streamer', 'main'],
      ];

      test.each(questions.map((words) => ({ words })))('both answer $words alike', async ({ words }) => {
        await expectSameAnswers(words);
      });

      test.each(backups.map((which) => ({ which })))('both show the backup $which alike', async ({ which }) => {
        await expectSameAnswers(['show-backup', 'main', ids[which]]);
      });

      test.each(['latest', 'spread', 'monthly', 'last-failed'])('both mean the same by %s', async (word) => {
        const [ours, theirs] = await Promise.all(
          [stage.ours, stage.theirs].map(async (turn) => await turn(['show-backup', 'main', word])),
        );
        expect(ours?.exitCode).toBe(theirs?.exitCode);
        expect(ours?.stdout).toBe(theirs?.stdout);
        expect(ours?.stderr.split('\n')[0]).toBe(theirs?.stderr.split('\n')[0]); // ours may have a hint
      });

      test.each(['standalone', 'data', 'wal', 'full'])('both list the same files for %s', async (target) => {
        for (const id of [ids.spread, ids.theirs]) await expectAgreement(stage, ['list-files', '--target', target, 'main', id]);
      });

      test('both write a WAL file into a folder alike', async () => {
        const { home } = stage;
        const names = (await readdir(home.server('main', 'wals', '0000000100000000'))).filter((name) =>
          /^[0-9A-F]{24}$/.test(name),
        );
        const folder = await home.makeFolder('handed-out');
        for (const form of [[], ['--gzip']])
          await expectAgreement(stage, ['get-wal', ...form, '--output-directory', folder, 'main', names.at(-1)!]);
      });

      test.each(['REDUNDANCY 2', 'RECOVERY WINDOW OF 1 DAYS'])('both judge backups alike under %s', async (policy) => {
        await configure(stage, { retention_policy: policy });
        for (const words of [
          ['list-backups', 'main'],
          ['status', 'main'],
          ['show-backup', 'main', ids.plain],
        ]) {
          await expectSameAnswers(words);
        }
        expect((await stage.ours(['list-backups', 'main'])).stdout.match(/OBSOLETE/g)?.length ?? 0).toBe(
          policy.startsWith('RED') ? 2 : 0,
        );
        await configure(stage);
      });

      describe('a restore', () => {
        test.each([
          { title: 'of our backup by Barman', by: 'theirs', backup: 'spread' },
          { title: "of Barman's backup by us", by: 'ours', backup: 'theirs' },
        ] as const)('$title has its rows and its tablespace', async ({ by, backup }) => {
          const { home } = stage;
          const [data, far] = [join(home.folder, `${by}-data`), join(home.folder, `${by}-far`)];
          await succeed(stage[by], ['restore', '--tablespace', `far:${far}`, 'main', ids[backup], data]);
          await using restored = await startRestored({ dataDir: data, tablespaces: [far], major, wait: 'promoted' });
          expect(await rowsOf(restored)).toEqual(allRows);
          expect(await restored.value('SELECT where_it_is FROM far')).toBe('far away');
          expect(await readdir(far)).toHaveLength(1);
        });

        test.each([
          { title: 'of our backup by Barman', by: 'theirs', backup: 'plain' },
          { title: "of Barman's backup by us", by: 'ours', backup: 'theirs' },
        ] as const)('$title ends at a restore point', async ({ by, backup }) => {
          const { home } = stage;
          const [data, far] = [join(home.folder, `${by}-point`), join(home.folder, `${by}-point-far`)];
          const places = backup === 'plain' ? [] : ['--tablespace', `far:${far}`];
          // replay goes over the making of the tablespace, whose own place is taken by the server that is still there
          const target = backup === 'plain' ? 'before_the_tablespace' : 'after_their_backup';
          const words = ['restore', '--target-name', target, '--target-action', 'promote', ...places];
          await succeed(stage[by], [...words, 'main', ids[backup], data]);
          const tablespaces = backup === 'plain' ? [] : [far];
          await using restored = await startRestored({ dataDir: data, tablespaces, major, wait: 'promoted' });
          expect(await rowsOf(restored)).toEqual(
            backup === 'plain' ? ['plain', 'after plain'] : ['plain', 'after plain', 'spread', 'theirs'],
          );
        });
      });

      test('WAL that they archive in turns is in one index', async () => {
        const closed: string[] = [];
        for (const turn of [stage.ours, stage.theirs, stage.ours, stage.theirs]) {
          const name = await closeSegment(stage);
          closed.push(name);
          const { stdout } = await succeed(turn, ['archive-wal', 'main']);
          expect(stdout.split('\n')).toContain(`\t${name}`);
        }
        const lines = (await readFile(indexPath(stage), 'utf8')).trimEnd().split('\n');
        for (const line of lines) expect(line).toMatch(/^[0-9A-F]{24}\t16777216\t\d{10}(\.\d+)?(\tNone){1,2}$/); // 3.20.1 writes a fifth column always
        const names = lines.map((line) => line.slice(0, 24));
        expect(new Set(names).size).toBe(names.length);
        expect(names).toEqual(expect.arrayContaining(closed));
        await expectAgreement(stage, ['list-files', '--target', 'wal', 'main', ids.plain]);
        await expectAgreement(stage, ['list-backups', 'main']);
      });

      test('an index that one of them builds again is the index of the other', async () => {
        await succeed(stage.theirs, ['rebuild-xlogdb', 'main']);
        const theirs = await readFile(indexPath(stage), 'utf8');
        await expectAgreement(stage, ['list-backups', 'main']);
        await succeed(stage.ours, ['rebuild-xlogdb', 'main']);
        const ours = await readFile(indexPath(stage), 'utf8');
        expect(withMilliseconds(ours)).toEqual(withMilliseconds(theirs));
        await expectAgreement(stage, ['list-backups', 'main']);
        await expectAgreement(stage, ['list-files', '--target', 'wal', 'main', ids.theirs]);
      });

      test.each([
        { title: 'our record by Barman', by: 'theirs', backup: 'spread' },
        { title: "Barman's record by us", by: 'ours', backup: 'theirs' },
      ] as const)('check-backup changes the status in $title, and no other byte', async ({ by, backup }) => {
        const path = stage.home.server('main', 'meta', `${ids[backup]}-backup.info`);
        const done = await readFile(path, 'utf8');
        await writeFile(path, done.replace('status=DONE', 'status=WAITING_FOR_WALS'));
        await expectAgreement(stage, ['list-backups', 'main']);
        await succeed(stage[by], ['check-backup', 'main', ids[backup]]);
        // a key that only says that there is none: we leave it out, Barman always writes it
        const plain = (text: string): string => text.replace('encryption=None\n', '');
        expect(plain(await readFile(path, 'utf8'))).toBe(plain(done));
      });

      test('a record where releases before 3.13.2 had it is found by both', async () => {
        const { home } = stage;
        const [now, then] = [
          home.server('main', 'meta', `${ids.plain}-backup.info`),
          home.server('main', 'base', ids.plain, 'backup.info'),
        ];
        await rename(now, then);
        await expectAgreement(stage, ['list-backups', 'main']);
        await expectAgreement(stage, ['show-backup', 'main', ids.plain]);
        await rename(then, now);
        await expectAgreement(stage, ['list-files', '--target', 'data', 'main', ids.plain]);
      });

      test.each([
        { title: 'Barman waits for our backup', first: 'ours', second: 'theirs' },
        { title: "we wait for Barman's backup", first: 'theirs', second: 'ours' },
      ] as const)('$title to end', async ({ first, second }) => {
        const { home } = stage;
        const [holding, held] = [join(home.folder, 'holding'), join(home.folder, 'held')];
        await writeFile(holding, '');
        await leaveSecondOfNewest(stage);
        await configure(stage, { pre_backup_script: `sh -c 'touch ${held}; while test -e ${holding}; do sleep 0.05; done'` });
        await using running = await begin(stage, first, ['backup', 'main']);
        await waitFor('the hook holds the first', () => existsSync(held), { explain: () => running.stderr() });
        const refused = await stage[second](['backup', 'main']);
        expect(refused).toMatchObject({
          exitCode: 1,
          stderr: expect.stringMatching(/^ERROR: Another backup process is running/) as string,
        });
        await Promise.all([holding, held].map((path) => rm(path)));
        expect(await running.ended).toMatchObject({ exitCode: 0 });
        await configure(stage);
      });

      test('a backup that Barman keeps is not deleted by us', async () => {
        await succeed(stage.theirs, ['keep', '--target', 'full', 'main', ids.plain]);
        const refused = await stage.ours(['delete', 'main', ids.plain]);
        expect(refused).toMatchObject({ exitCode: 1 });
        expect(refused.stderr).toMatch(/^ERROR: .*keep/im); // below Barman's warning of it
        await expectAgreement(stage, ['list-backups', 'main']);
        await succeed(stage.theirs, ['keep', '--release', 'main', ids.plain]);
      });

      test.each([
        { title: 'our oldest backup by Barman', by: 'theirs', backup: 'plain' },
        { title: "Barman's backup by us", by: 'ours', backup: 'theirs' },
        { title: 'the then oldest by us', by: 'ours', backup: 'spread' },
      ] as const)('a deletion of $title leaves what both list alike', async ({ by, backup }) => {
        const { home } = stage;
        await succeed(stage[by], ['delete', 'main', ids[backup]]);
        expect(existsSync(home.server('main', 'base', ids[backup]))).toBe(false);
        expect(await readdir(home.server('main', 'meta'))).not.toContain(`${ids[backup]}-backup.info`);
        for (const words of [
          ['list-backups', 'main'],
          ['show-backup', 'main', 'oldest'],
          ['list-files', '--target', 'wal', 'main', 'oldest'],
        ]) {
          await expectAgreement(stage, words);
        }
        await expectIndexOfWhatIsThere(stage);
      });
    },
    [15, 17],
  );
});

async function setStage(major: number, opened: Opened): Promise<Stage> {
  const cluster = await opened.add(startCluster({ major }));
  const tablespace = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
  // an empty compression: Barman warns of the word `none` in the global section
  const home = await opened.add(createTestHome({ global: { compression: '' } }));
  const stage = {
    cluster,
    home,
    tablespace: tablespace.path,
    ours: async (words: readonly string[]) => await runPgcellar(words, { home, as: 'barman' }),
    theirs: async (words: readonly string[]) => await runOracle(words, { home }),
  };
  await configure(stage);
  await startReceiver(home, cluster);
  await succeed(stage.ours, ['switch-wal', '--force', '--archive', 'main']);
  return stage;
}

async function configure({ home, cluster }: Pick<Stage, 'home' | 'cluster'>, more: IniSection = {}): Promise<void> {
  await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true, ...more }));
}

async function takeBackups(stage: Stage): Promise<Ids> {
  const { cluster, ours, theirs } = stage;
  await cluster.query('CREATE TABLE rows (number serial, name text)');
  await insert(cluster, 'plain');
  const plain = await backUp(stage, ours, ['--wait']);
  await insert(cluster, 'after plain');
  await cluster.query("SELECT pg_create_restore_point('before_the_tablespace')");
  await cluster.query(`CREATE TABLESPACE far LOCATION '${stage.tablespace}'`);
  await cluster.query("CREATE TABLE far TABLESPACE far AS SELECT 'far away' AS where_it_is");
  await insert(cluster, 'spread');
  const spread = await backUp(stage, ours, ['--wait', '--name', 'spread']);
  await insert(cluster, 'theirs');
  await leaveSecondOfNewest(stage);
  // without --wait: on an idle PostgreSQL 17 Barman would wait for a segment that nobody closes
  const taken = await backUp(stage, theirs, ['--name', 'theirs']);
  await cluster.query("SELECT pg_create_restore_point('after_their_backup')");
  await insert(cluster, 'last');
  const last = await backUp(stage, ours, ['--wait']);
  await succeed(ours, ['switch-wal', '--force', '--archive', 'main']);
  await succeed(theirs, ['check-backup', 'main', taken]);
  return { plain, spread, theirs: taken, last };
}

/** Barman takes an id that is taken: a backup that it starts in the second of another one replaces that one. */
async function leaveSecondOfNewest(stage: Stage): Promise<void> {
  const newest = await newestBackup(stage);
  await waitFor(`the second of ${newest} is over`, () => formatCompactTime(localTimestamp(new Date())) > newest);
}

async function newestBackup({ ours }: Stage): Promise<string> {
  const { stdout } = await succeed(ours, ['list-backups', '--minimal', 'main']);
  return stdout.split('\n')[0] ?? '';
}

const allRows = ['plain', 'after plain', 'spread', 'theirs', 'last'];

async function insert(cluster: PostgresServer, name: string): Promise<void> {
  await cluster.query('INSERT INTO rows (name) VALUES ($1)', { parameters: [name] });
}

async function backUp(stage: Stage, turn: Turn, words: readonly string[]): Promise<string> {
  await succeed(turn, ['backup', ...words, 'main']);
  return await newestBackup(stage);
}

async function rowsOf(server: PostgresServer): Promise<readonly string[]> {
  return (await server.query<{ name: string }>('SELECT name FROM rows ORDER BY number')).map(({ name }) => name);
}

async function succeed(turn: Turn, words: readonly string[]): Promise<ProgramResult> {
  const result = await turn(words);
  if (result.exitCode === 0) return result;
  throw new Error(`${words.join(' ')} ended with ${String(result.exitCode)}:\n${result.stdout}${result.stderr}`);
}

async function begin({ home }: Stage, by: 'ours' | 'theirs', words: readonly string[]): Promise<RunningProgram> {
  return by === 'ours' ? await spawnPgcellar(words, { home }) : spawnOracle(words, { home });
}

/** Both say the same, errors and exit code included; what a live server tells may move between the two, so it is asked again. */
async function expectAgreement({ ours, theirs }: Stage, words: readonly string[]): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const [mine, real] = await Promise.all([ours(words), theirs(words)]);
    const [said, expected] = [comparableAnswer(mine), comparableAnswer(real)];
    if (attempt < 3 && JSON.stringify(said) !== JSON.stringify(expected)) continue;
    expect(said).toEqual(expected);
    return;
  }
}

function indexPath({ home }: Stage): string {
  return home.server('main', 'wals', 'main-xlog.db');
}

/** Lines whose times are rounded: the two read them from the disk with different precision. */
function withMilliseconds(index: string): readonly string[] {
  return index
    .split('\n')
    .map((line) => line.replace(/\tNone\tNone$/, '\tNone').replace(/\d+\.\d+/, (time) => Number(time).toFixed(3)));
}

/** Closes a segment and waits until it lies in the streaming folder and the next has begun; gives its name. */
async function closeSegment({ cluster, home }: Stage): Promise<string> {
  await cluster.query("SELECT pg_logical_emit_message(true, 'test', '')");
  const name = await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
  await cluster.query("SELECT pg_logical_emit_message(true, 'test', '')");
  await waitFor(`${name} is received`, async () => {
    const received = await readdir(home.server('main', 'streaming'));
    return received.includes(name) && received.some((other) => other > name && other.endsWith('.partial'));
  });
  return name;
}

/** The index names the files of the archive, each once. */
async function expectIndexOfWhatIsThere(stage: Stage): Promise<void> {
  const files = await readdir(stage.home.server('main', 'wals'), { recursive: true, withFileTypes: true });
  const archived = files.filter((file) => file.isFile() && !file.name.endsWith('xlog.db')).map(({ name }) => name);
  const lines = (await readFile(indexPath(stage), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => line.split('\t')[0]).toSorted()).toEqual(archived.toSorted());
}
