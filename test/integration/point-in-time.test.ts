// Restores to every kind of target: the restored server holds the rows that were committed there, and no others.
import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAlive } from '../../src/shared/is-alive.ts';
import { describeEachPostgres, requirePostgres, testedMajors } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { type Mark, startWriteLoad, type WriteLoad } from '../helpers/write-load.ts';

/** A server that was written to all the time, from before its first backup until after its second. */
interface Story {
  readonly major: number;
  readonly home: TestHome;
  readonly first: string;
  readonly second: string;
  /** Rows in the order of their commits. */
  readonly ids: readonly number[];
  readonly marks: {
    readonly beforeFirst: Mark;
    readonly afterFirst: Mark;
    readonly named: Mark;
    readonly between: Mark;
    readonly afterSecond: Mark;
  };
}

const restorePoint = 'before the accident';
const newest = testedMajors.at(-1);

async function tell(major: number, opened: Opened): Promise<Story> {
  // small segments, so that the load fills some by itself; a default cluster is there for the usual size
  const cluster = await opened.add(startCluster({ major, initdbArgs: major === 17 ? ['--wal-segsize=1'] : [] }));
  const tablespace = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
  const home = await opened.add(
    createTestHome({ owner: 'server', servers: { main: streamingServer(cluster, { immediate_checkpoint: true }) } }),
  );
  await startReceiver(home, cluster);
  await using load = await startWriteLoad(cluster, { paddingBytes: 500 });
  await using noise = await startWriteLoad(cluster, { table: 'noise', everyMs: 50 });
  await cluster.query(`CREATE TABLESPACE fast LOCATION '${tablespace.path}'`);
  await cluster.query('ALTER TABLE load SET TABLESPACE fast');
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });

  const beforeFirst = await load.mark();
  const first = await backUp(home);
  const afterFirst = await markAfterMore(load);
  const named = await markAfterMore(load, { restorePoint });
  await runWell(['switch-wal', '--archive', 'main'], { home });
  const between = await markAfterMore(load);
  await commitMore(load);
  const second = await backUp(home);
  const afterSecond = await markAfterMore(load);
  await commitMore(load);
  await load.stop();
  await runWell(['switch-wal', '--archive', 'main'], { home });
  await noise.stop();
  const ids = load.journal.map(({ id }) => id);
  return { major, home, first, second, ids, marks: { beforeFirst, afterFirst, named, between, afterSecond } };
}

async function backUp(home: TestHome): Promise<string> {
  await runWell(['backup', '--wait', 'main'], { home });
  const [id = ''] = (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n');
  return id;
}

async function commitMore(load: WriteLoad): Promise<void> {
  const count = load.journal.length + 20;
  await waitFor('more rows are committed', () => load.hasFailed || load.journal.length >= count);
}

async function markAfterMore(load: WriteLoad, options: { restorePoint?: string } = {}): Promise<Mark> {
  await commitMore(load);
  return await load.mark(options);
}

/** Folders that a restore fills. */
interface Place extends AsyncDisposable {
  readonly dataDir: string;
  readonly tablespaces: readonly string[];
}

async function newPlace(): Promise<Place> {
  const folder: TemporaryFolder = await createTemporaryFolder('rs', { owner: 'server' });
  return {
    dataDir: join(folder.path, 'data'),
    tablespaces: [join(folder.path, 'fast')],
    [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose](),
  };
}

/** Restores with the tablespace beside the data; gives what was printed. */
async function restore(
  { home }: Story,
  place: Place,
  { backup, words = [] }: { readonly backup: string; readonly words?: readonly string[] },
): Promise<string> {
  const relocation = place.tablespaces.map((path) => `--tablespace=fast:${path}`);
  return await runWell(['restore', ...relocation, ...words, 'main', backup, place.dataDir], { home });
}

/** What `--start` says. */
interface Started {
  readonly reached: boolean;
  readonly state: string;
  readonly pid: number;
  readonly port: number;
  readonly socket_directory: string;
  readonly last_commit: string | null;
  readonly log_lines: readonly string[];
}

/** Ends a server that goes on without us, and removes its folder. */
async function endServer({ pid, socket_directory: folder }: Started): Promise<void> {
  if (isAlive(pid)) process.kill(pid, 'SIGINT');
  await waitFor('the started server ends, and its folder goes with it', async () => !isAlive(pid) && !(await exists(folder)));
}

async function idsIn(server: PostgresServer): Promise<number[]> {
  return (await server.query<{ id: string }>('SELECT id FROM load ORDER BY id')).map(({ id }) => Number(id));
}

function idsUpTo(story: Story, { lastId }: Mark): number[] {
  return story.ids.filter((id) => id <= lastId);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

describeEachPostgres((major) => {
  const opened = new Opened();
  let story: Story;

  beforeAll(async () => {
    story = await tell(major, opened);
  });
  afterAll(() => opened.close());

  test.each([
    { target: 'a time', words: ({ afterFirst }) => [`--target-time=${afterFirst.time}`], at: 'afterFirst' },
    { target: 'a transaction', words: ({ between }) => [`--target-xid=${between.xid}`], at: 'between' },
    { target: 'an LSN', words: ({ between }) => [`--target-lsn=${between.lsn}`], at: 'between' },
    { target: 'a restore point', words: () => [`--target-name=${restorePoint}`], at: 'named' },
  ] satisfies { target: string; words: (marks: Story['marks']) => string[]; at: keyof Story['marks'] }[])(
    'a restore to $target holds what was committed by then, and nothing later',
    async ({ words, at }) => {
      await using place = await newPlace();
      await restore(story, place, { backup: story.first, words: [...words(story.marks), '--target-action=promote'] });
      await using server = await startRestored({ ...place, major, wait: 'promoted' });
      expect(await idsIn(server)).toEqual(idsUpTo(story, story.marks[at]));
    },
  );

  test('an immediate restore holds what was committed when the backup ended', async () => {
    await using place = await newPlace();
    await restore(story, place, { backup: story.first, words: ['--target-immediate', '--target-action=promote'] });
    await using server = await startRestored({ ...place, major, wait: 'promoted' });
    const ids = await idsIn(server);
    expect(ids).toEqual(story.ids.slice(0, ids.length));
    expect(ids.length).toBeGreaterThanOrEqual(story.marks.beforeFirst.rows);
    expect(ids.length).toBeLessThanOrEqual(story.marks.afterFirst.rows);
  });

  test('a restore without a target holds every row, and its tablespace lies where it was put', async () => {
    await using place = await newPlace();
    await restore(story, place, { backup: 'first' });
    expect(await exists(join(place.dataDir, 'recovery.signal'))).toBe(false);
    await using server = await startRestored({ ...place, major, wait: 'promoted' });
    expect(await idsIn(server)).toEqual(story.ids);
    expect(await server.value("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'")).toBe(
      place.tablespaces[0],
    );
    expect(await server.value('SELECT timeline_id FROM pg_control_checkpoint()')).toBe('1');
  });

  // what follows does not depend on the version
  if (major !== newest) return;

  test('an exclusive restore to a transaction stops just before it', async () => {
    await using place = await newPlace();
    const { between } = story.marks;
    const words = [`--target-xid=${between.xid}`, '--exclusive', '--target-action=promote'];
    await restore(story, place, { backup: story.first, words });
    await using server = await startRestored({ ...place, major, wait: 'promoted' });
    expect(await idsIn(server)).toEqual(idsUpTo(story, between).slice(0, -1));
  });

  test('a promoted server lives on a new timeline, and the WAL that was copied for it is gone', async () => {
    await using place = await newPlace();
    const words = [`--target-time=${story.marks.between.time}`, '--target-action=promote'];
    await restore(story, place, { backup: 'auto', words });
    expect(await readdir(join(place.dataDir, 'barman_wal'))).not.toEqual([]);
    await using server = await startRestored({ ...place, major, wait: 'promoted' });
    await server.query('CHECKPOINT');
    expect(await server.value('SELECT timeline_id FROM pg_control_checkpoint()')).toBe('2');
    await waitFor('the staging folder is removed', async () => !(await exists(join(place.dataDir, 'barman_wal'))));
  });

  test('a server that pauses at its target can be read, and promoted later', async () => {
    await using place = await newPlace();
    const { named } = story.marks;
    await restore(story, place, { backup: story.first, words: [`--target-name=${restorePoint}`, '--target-action=pause'] });
    await using server = await startRestored({ ...place, major, wait: 'paused' });
    expect(await idsIn(server)).toEqual(idsUpTo(story, named));
    await server.query('SELECT pg_promote()');
    expect(await server.value('SELECT pg_is_in_recovery()')).toBe('false');
    expect(await idsIn(server)).toEqual(idsUpTo(story, named));
  });

  test('a server that shuts down at its target has reached it', async () => {
    await using place = await newPlace();
    const { between } = story.marks;
    const words = [`--target-time=${between.time}`, '--target-action=shutdown'];
    await restore(story, place, { backup: story.first, words });
    {
      await using server = await startRestored({ ...place, major, wait: 'shutdown' });
      expect(await server.log()).toContain('recovery stopping before commit of transaction');
    }
    const settings = { recovery_target_action: 'promote' };
    await using server = await startRestored({ ...place, major, settings, wait: 'promoted' });
    expect(await idsIn(server)).toEqual(idsUpTo(story, between));
  });

  test.each([
    { between: 'between two backups', mark: 'between', backup: 'first' },
    { between: 'after both', mark: 'afterSecond', backup: 'second' },
  ] as const)('for a time $between auto takes the newest backup that is older', async ({ mark, backup }) => {
    await using place = await newPlace();
    const { time } = story.marks[mark];
    const printed = await restore(story, place, {
      backup: 'auto',
      words: [`--target-time=${time}`, '--target-action=promote'],
    });
    expect(printed).toContain(`using backup ${story[backup]}`);
    await using server = await startRestored({ ...place, major, wait: 'promoted' });
    expect(await idsIn(server)).toEqual(idsUpTo(story, story.marks[mark]));
  });

  test('a target before the named backup is refused with the backup that can reach it, before anything is written', async () => {
    await using place = await newPlace();
    const { time, lsn } = story.marks.between;
    const relocation = `--tablespace=fast:${String(place.tablespaces[0])}`;
    for (const target of [`--target-time=${time}`, `--target-lsn=${lsn}`]) {
      const words = ['restore', target, relocation, 'main', story.second, place.dataDir];
      const result = await runPgcellar(words, { home: story.home });
      expect(result.exitCode).toBe(1);
      expect(result.stderr).toContain(`HINT: it can be reached from ${story.first}`);
      expect(await exists(place.dataDir)).toBe(false);
    }
  });

  test('a time before the end of the first backup is refused, and nothing is written', async () => {
    await using place = await newPlace();
    const { time } = story.marks.beforeFirst;
    const words = ['restore', `--target-time=${time}`, `--tablespace=fast:${String(place.tablespaces[0])}`];
    for (const backup of ['auto', story.first]) {
      const result = await runPgcellar([...words, 'main', backup, place.dataDir], { home: story.home });
      expect(result.exitCode).toBe(1);
      expect(result.stderr).toContain('before the backup end time');
      expect(await exists(place.dataDir)).toBe(false);
    }
  });

  test('a restore with --start watches the server reach its target, and leaves it to be looked at', async () => {
    await using place = await newPlace();
    const { between } = story.marks;
    const relocation = `--tablespace=fast:${String(place.tablespaces[0])}`;
    const words = [
      '-f',
      'json',
      'restore',
      '--start',
      `--target-time=${between.time}`,
      relocation,
      'main',
      story.first,
      place.dataDir,
    ];
    const { exitCode, stdout } = await runPgcellar(words, { home: story.home });
    const { start } = JSON.parse(stdout) as { start: Started };
    try {
      expect({ exitCode, start }).toMatchObject({ exitCode: 0, start: { reached: true, state: 'paused' } });
      expect(start.log_lines.join('\n')).toContain('recovery stopping before commit of transaction');
      expect(start.last_commit).not.toBeNull();
      const client = new Client({ host: start.socket_directory, port: start.port, user: 'postgres', database: 'postgres' });
      await client.connect();
      const { rows } = await client.query<{ id: string }>('SELECT id FROM load ORDER BY id');
      await client.end();
      expect(rows.map(({ id }) => Number(id))).toEqual(idsUpTo(story, between));
    } finally {
      await endServer(start);
    }
  });

  test('a restore with --start says why a target was not reached, with the lines of the log', async () => {
    await using place = await newPlace();
    const relocation = `--tablespace=fast:${String(place.tablespaces[0])}`;
    const words = [
      '-f',
      'json',
      'restore',
      '--start',
      '--target-xid=999999999',
      relocation,
      'main',
      story.first,
      place.dataDir,
    ];
    const { exitCode, stdout } = await runPgcellar(words, { home: story.home });
    const { start, _ERROR: errors } = JSON.parse(stdout) as { start: Started; _ERROR: string[] };
    await endServer(start);
    expect({ exitCode, start }).toMatchObject({ exitCode: 1, start: { reached: false, state: 'stopped' } });
    expect(start.log_lines.join('\n')).toContain('recovery ended before configured recovery target was reached');
    expect(errors[0]).toContain('the restored server did not reach its target');
  });

  test('a server restored with --get-wal fetches its WAL from the catalog', async () => {
    await using place = await newPlace();
    const { afterSecond } = story.marks;
    const words = ['--get-wal', `--target-xid=${afterSecond.xid}`, '--target-action=promote'];
    await restore(story, place, { backup: story.first, words });
    expect(await readFile(join(place.dataDir, 'postgresql.auto.conf'), 'utf8')).toMatch(/^restore_command = .* get-wal /m);
    const env = definedOf(story.home.env({ path: [dirname(await programPath(story.home))] }));
    await using server = await startRestored({ ...place, major, env, wait: 'promoted' });
    expect(await idsIn(server)).toEqual(idsUpTo(story, afterSecond));
  });

  test('a standby replays all there is and stays a standby', async () => {
    await using place = await newPlace();
    await restore(story, place, { backup: story.second, words: ['--standby-mode', '--get-wal'] });
    expect(await exists(join(place.dataDir, 'standby.signal'))).toBe(true);
    const env = definedOf(story.home.env({ path: [dirname(await programPath(story.home))] }));
    await using server = await startRestored({ ...place, major, env });
    const last = String(story.ids.at(-1));
    await waitFor('the last row is there', async () => (await server.value('SELECT max(id) FROM load')) === last, {
      explain: () => server.log(),
    });
    expect(await idsIn(server)).toEqual(story.ids);
    expect(await server.value('SELECT pg_is_in_recovery()')).toBe('true');
  });

  test('a restored cluster passes pg_verifybackup before its first start, but for the files that a restore edits and adds', async () => {
    await using place = await newPlace();
    await restore(story, place, { backup: story.second });
    const manifest = join(place.dataDir, `backup_manifest.${story.second}`);
    const verify = join(requirePostgres(major).clientsDir, 'pg_verifybackup');
    const edited = ['postgresql.conf', 'postgresql.auto.conf'];
    const originals = edited.map((name) => `${name}.origin`);
    const ignored = [...edited, ...originals, 'pg_wal', '.barman-recover.info', `backup_manifest.${story.second}`];
    const options = ignored.map((path) => `--ignore=${path}`);
    expect(await runProgram([verify, '-n', '-m', manifest, ...options, place.dataDir])).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
  });
});

function definedOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
