// Every verb on more than a hundred backups that PostgreSQL really made: the same with a warm cache, with a cold one and with none.
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { allCommands } from '../../src/cli/all-commands.ts';
import { archivedWals } from '../helpers/archived-wals.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { type PgcellarOptions, programPath, runPgcellar, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';

/** More than there must be before records are cached. */
const clones = 100;

/** One cluster with two backups, and a home of clones of both. */
interface Story {
  readonly home: TestHome;
  readonly cluster: PostgresServer;
  /** Ids of what PostgreSQL made: between them, WAL files and a table. */
  readonly first: string;
  readonly second: string;
  /** Ids of the clones of the first and of the second. */
  readonly ofFirst: readonly string[];
  readonly ofSecond: readonly string[];
  readonly segment: string;
  readonly exported: string;
  /** The clone that was exported, and is no longer in the catalog. */
  readonly gone: string;
}

type State = 'none' | 'cold' | 'warm';

/** How a verb is called; without a name for what changes from run to run its output is compared to the letter. */
interface Call {
  readonly words: (story: Story, state: State) => readonly string[];
  readonly isMasked?: boolean;
  /** There is nothing to do, or what is asked for cannot be. */
  readonly isRefused?: boolean;
  readonly input?: string;
  /** Takes back what the verb did. */
  readonly after?: (story: Story) => Promise<unknown>;
}

const onMain = (...words: readonly string[]): Call => ({ words: () => [...words, 'main'] });
const onBackup = (...words: readonly string[]): Call => ({ words: ({ first }) => [...words, 'main', first] });
const masked = (call: Call): Call => ({ ...call, isMasked: true });
const refused = (call: Call): Call => ({ ...call, isRefused: true });
const goingIn: Readonly<Record<State, number>> = { none: 3, cold: 4, warm: 5 };

/** Every verb by its name; some are called more than once. */
const calls: Readonly<Record<string, readonly Call[]>> = {
  'adopt-barman': [masked({ words: () => ['adopt-barman'] })],
  'archive-wal': [onMain('archive-wal')],
  backup: [masked({ words: () => ['backup', '--wait', 'main'] })],
  check: [masked(onMain('check')), masked(onMain('check', '--nagios'))],
  'check-archived-wal-range': [{ words: ({ segment }) => ['check-archived-wal-range', 'main', segment, segment] }],
  'check-backup': [onBackup('check-backup')],
  'check-wal-archive': [refused(onMain('check-wal-archive'))],
  complete: [{ words: () => ['complete', '--', 'show-backup', 'main', ''] }],
  completion: [{ words: () => ['completion', 'bash'] }],
  'config-switch': [refused({ words: () => ['config-switch', 'main', 'unknown-model'] })],
  'config-update': [
    {
      words: () => ['config-update', '[{"scope": "server", "server_name": "main", "minimum_redundancy": "1"}]'],
      after: async ({ home }) => rm(join(home.path, '.barman.auto.conf')),
    },
  ],
  cron: [masked({ words: () => ['cron'] })],
  delete: [masked({ words: ({ ofSecond }, state) => ['delete', 'main', ofSecond[goingIn[state]] ?? ''] })],
  diagnose: [masked({ words: () => ['diagnose'] })],
  doctor: [masked({ ...onMain('doctor'), input: '' })],
  'export-backup': [
    masked({ words: ({ home, ofFirst }, state) => ['export-backup', 'main', ofFirst[1] ?? '', join(home.folder, state)] }),
  ],
  'generate-manifest': [refused(onBackup('generate-manifest'))],
  'get-wal': [{ words: ({ segment }) => ['get-wal', 'main', segment] }],
  'import-backup': [
    masked({
      words: ({ exported }) => ['import-backup', 'main', exported],
      after: async ({ home, gone }) => {
        await runWell(['keep', '--release', 'main', gone], { home });
        await runWell(['delete', 'main', gone], { home });
      },
    }),
  ],
  init: [refused({ ...onMain('init'), input: '' })],
  keep: [
    {
      ...onBackup('keep', '--target', 'full'),
      after: async ({ home, first }) => runWell(['keep', '--release', 'main', first], { home }),
    },
    onBackup('keep', '--status'),
  ],
  'list-backups': [
    onMain('list-backups'),
    masked(onMain('list-backups', '--table')),
    onMain('-f', 'json', 'list-backups'),
    onMain('list-backups', '--minimal'),
  ],
  'list-files': [onBackup('list-files', '--target', 'full'), onBackup('list-files', '--target', 'wal')],
  'list-processes': [onMain('list-processes')],
  'list-servers': [{ words: () => ['list-servers'] }],
  'lock-directory-cleanup': [masked({ words: () => ['lock-directory-cleanup'] })],
  'put-wal': [refused({ ...onMain('put-wal'), input: '' })],
  'rebuild-xlogdb': [masked(onMain('rebuild-xlogdb'))],
  'receive-wal': [refused(onMain('receive-wal', '--stop'))],
  'replication-status': [masked(onMain('replication-status'))],
  restore: [
    ...['latest', 'oldest', 'auto'].map((word) =>
      masked({ words: ({ home }, state) => ['restore', 'main', word, join(home.folder, 'restored', state, word)] }),
    ),
    masked({ words: ({ home }, state) => ['restore', '--dry-run', 'main', 'latest', join(home.folder, 'dry', state)] }),
  ],
  retention: [masked(onMain('retention')), masked(onMain('-f', 'json', 'retention', '--policy', 'REDUNDANCY 2'))],
  schedule: [{ words: () => ['schedule', '--list'] }],
  'send-wals': [{ words: ({ segment }) => ['send-wals', 'main', segment] }],
  'show-backup': [
    onBackup('show-backup'),
    onBackup('-f', 'json', 'show-backup'),
    { words: ({ ofFirst }) => ['show-backup', 'main', ofFirst[7] ?? ''] },
    { words: () => ['-f', 'json', 'show-backup', 'main', 'latest'] },
    { words: () => ['show-backup', 'main', 'oldest'] },
  ],
  'show-cluster': [masked(onMain('show-cluster')), masked(onMain('-f', 'json', 'show-cluster'))],
  'show-servers': [masked(onMain('show-servers'))],
  status: [masked(onMain('status')), masked(onMain('status', '--page')), masked(onMain('-f', 'json', 'status'))],
  'switch-wal': [masked(onMain('switch-wal', '--force', '--archive'))],
  'terminate-process': [refused({ words: () => ['terminate-process', 'main', 'receive-wal'] })],
  'verify-backup': [onBackup('verify-backup')],
};

test('every verb is called', () => {
  expect(Object.keys(calls).toSorted()).toEqual(allCommands.map(({ name }) => name).toSorted());
});

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let story: Story;
    beforeAll(async () => {
      story = await tell(major, opened);
    }, 180_000);
    afterAll(async () => opened.close());

    test.each(Object.entries(calls))('%s', async (_verb, ways) => {
      for (const call of ways) {
        const outcomes: Partial<Record<State, string>> = {};
        for (const state of ['none', 'cold', 'warm'] as const) {
          await enter(story, state);
          outcomes[state] = await outcomeOf(story, call, state);
          await call.after?.(story);
        }
        expect(differing(outcomes.none, outcomes.cold)).toEqual([]);
        expect(differing(outcomes.none, outcomes.warm)).toEqual([]);
      }
    });

    test('a backup that began later in the WAL is the newer one, whatever its id', async () => {
      const { home, second, ofFirst, ofSecond } = story;
      await enter(story, 'warm');
      const ids = (await runWell(['list-backups', '--minimal', 'main'], { home })).trim().split('\n');
      const places = (some: readonly string[]) => some.filter((id) => ids.includes(id)).map((id) => ids.indexOf(id));
      expect(Math.max(...places([second, ...ofSecond]))).toBeLessThan(Math.min(...places(ofFirst)));
      const details = await runWell(['show-backup', 'main', second], { home });
      expect(details).toMatch(new RegExp(`Previous Backup +: ${ids[ids.indexOf(second) + 1] ?? ''}`));
      const dataDir = join(home.folder, 'restored', 'warm', 'oldest');
      await using restored = await startRestored({ dataDir, major, wait: 'promoted' });
      expect(await restored.value('SELECT count(*) FROM story')).toBe('2');
    });

    test('a backup on a host whose clock, or zone, is behind has a greater id than all others', async () => {
      const { home } = story;
      const idsNow = async () =>
        (await readdir(home.server('main', 'meta'))).flatMap((name) => /^\d{8}T\d{6}/.exec(name) ?? []);
      const before = (await idsNow()).toSorted();
      await runWell(['backup', '--wait', 'main'], { home, env: { TZ: 'Etc/GMT+12' } });
      const after = (await idsNow()).toSorted();
      expect(after.slice(0, -1)).toEqual(before);
    });

    test('retention keeps the newest ones in the WAL and all that they need, with 64 file descriptors', async () => {
      const { home, ofFirst, ofSecond, first, second, cluster } = story;
      await home.writeServer('main', optionsOf(cluster, { retention_policy: 'REDUNDANCY 6' }));
      await runPgcellar(['cron'], { home }); // what came in meanwhile is archived
      const argv = home.argv([
        'bash',
        '-c',
        'ulimit -n 64; exec "$@"',
        'bash',
        await programPath(home),
        '-c',
        home.configFile,
        'cron',
      ]);
      const { stderr } = await runProgram(argv, settingsOf({ home }));
      expect(stderr).not.toMatch(/EMFILE|EXCEPTION|ERROR/);
      const left = (await runWell(['list-backups', '--minimal', 'main'], { home })).trim().split('\n');
      expect(left).toHaveLength(6);
      const real = new Set([...ofFirst, first]);
      expect(left.filter((id) => real.has(id))).toEqual([]);
      expect(left.filter((id) => ofSecond.includes(id) || id === second).length).toBeGreaterThan(0);
      for (const id of left) {
        const dataDir = join(home.folder, 'left', id);
        await runWell(['restore', '--dry-run', 'main', id, dataDir], { home });
      }
      const oldest = left.at(-1) ?? '';
      const dataDir = join(home.folder, 'left', oldest);
      await runWell(['restore', 'main', oldest, dataDir], { home });
      await using restored = await startRestored({ dataDir, major, wait: 'promoted' });
      expect(await restored.value('SELECT count(*) FROM story')).toBe('2');
    });
  },
  [18],
);

function optionsOf(cluster: PostgresServer, more: Readonly<Record<string, string>> = {}) {
  return {
    conninfo: cluster.conninfo({ user: 'barman' }),
    streaming_conninfo: cluster.conninfo({ user: 'streaming_barman' }),
    path_prefix: cluster.clientsDir,
    backup_method: 'postgres',
    archiver: 'on',
    immediate_checkpoint: 'on',
    ...more,
  };
}

async function tell(major: number, opened: Opened): Promise<Story> {
  const home = await opened.add(createTestHome({ owner: 'server' }));
  const incoming = home.server('main', 'incoming');
  await mkdir(incoming, { recursive: true });
  await home.own(home.path);
  const settings = { archive_mode: 'on', archive_command: `cp %p ${incoming}/%f` };
  const cluster = await opened.add(startCluster({ major, settings }));
  await home.writeServer('main', optionsOf(cluster));
  const backUp = async (): Promise<string> => {
    await runWell(['backup', '--wait', 'main'], { home });
    return (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n')[0] ?? '';
  };
  await cluster.query("CREATE TABLE story AS SELECT 'before the first' AS line");
  const first = await backUp();
  await cluster.query("INSERT INTO story VALUES ('between')");
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  const second = await backUp();
  const ids = (day: string) => Array.from({ length: clones / 2 }, (_, number) => `2026${day}T${String(100_000 + number)}`);
  const [ofFirst, ofSecond] = [ids('0902'), ids('0901')];
  await clone(home, first, ofFirst);
  await clone(home, second, ofSecond);
  const folder = await home.makeFolder('exported');
  for (const state of ['none', 'cold', 'warm']) await home.makeFolder(state);
  const gone = ofFirst.pop() ?? '';
  await runWell(['export-backup', 'main', gone, folder], { home });
  await runWell(['delete', 'main', gone], { home });
  const [exported = ''] = await readdir(folder);
  const [segment = ''] = (await archivedWals(home)).filter((name) => /^[0-9A-F]{24}$/.test(name));
  return { home, cluster, first, second, ofFirst, ofSecond, segment, gone, exported: join(folder, exported) };
}

/** Backups with the same content under other ids, their files as hard links. */
async function clone(home: TestHome, id: string, others: readonly string[]): Promise<void> {
  const record = await readFile(home.server('main', 'meta', `${id}-backup.info`), 'utf8');
  for (const other of others) {
    await promisify(execFile)('cp', ['-al', home.server('main', 'base', id), home.server('main', 'base', other)]);
    await rm(home.server('main', 'base', other, 'backup.info'));
    await writeFile(home.server('main', 'base', other, 'backup.info'), record.replaceAll(id, other));
    await writeFile(home.server('main', 'meta', `${other}-backup.info`), record.replaceAll(id, other));
  }
  await home.own(home.server('main'));
}

async function enter({ home }: Story, state: State): Promise<void> {
  const derived = home.server('main', '.pgcellar');
  await rm(derived, { recursive: true, force: true });
  if (state === 'none') {
    await writeFile(derived, 'a file, so that nothing can be kept here');
    await home.own(derived);
  }
  if (state !== 'warm') return;
  await delay(30); // what was changed within a tick of the clock is not taken from a cache
  await runWell(['list-backups', '--minimal', 'main'], { home });
  expect(await readdir(derived)).toEqual(expect.arrayContaining(['backup-records', 'wal-ledger', 'wal-ledger.mark']));
}

async function outcomeOf(story: Story, { words, input, isMasked, isRefused }: Call, state: State): Promise<string> {
  const options: PgcellarOptions = { home: story.home, ...(input === undefined ? {} : { input }) };
  const { exitCode, stdout, stderr } = await runPgcellar(words(story, state), options);
  expect(stderr).not.toContain('EXCEPTION');
  expect({ exitCode, stderr }).toMatchObject({ exitCode: isRefused === true ? 1 : 0 });
  const printed = isMasked === true ? withoutFigures(stdout) : stdout.replaceAll(tarTimes, '');
  return [`exit code ${String(exitCode)}`, printed, withoutFigures(stderr)].join('\n');
}

/** The first lines that differ: few, since a WAL file or a long listing would be compared for minutes. */
function differing(expected = '', actual = ''): readonly string[] {
  if (expected === actual) return [];
  const [left, right] = [expected.split('\n'), actual.split('\n')];
  const at = left.findIndex((line, index) => line !== right[index]);
  const shown = (lines: readonly string[]) =>
    lines.slice(Math.max(at, 0), Math.max(at, 0) + 3).map((line) => line.slice(0, 300));
  return [`${String(left.length)} and ${String(right.length)} lines`, ...shown(left), 'is not', ...shown(right)];
}

/** In the heads of a tar stream: when it was sent, and their checksum. */
const tarTimes = new RegExp(String.raw`[0-7]{11}[\0 ][0-7]{6}[\0 ]{2}`, 'g');

/** Without what is another at each run: times, sizes, ids, the names of our own folders. */
function withoutFigures(text: string): string {
  return text
    .replaceAll(/^(Processing xlog segments|\t).*\n/gm, '') // how many came in meanwhile
    .replaceAll(/\b(none|cold|warm)\b/g, 'STATE')
    .replaceAll(/\b[0-9A-F]{24}\b|\b[0-9A-F]+\/[0-9A-F]+\b/g, 'N')
    .replaceAll(/\b[0-9a-fA-F]{8}\b/g, 'N')
    .replaceAll('less than one second', 'N')
    .replaceAll(/\d+(\.\d+)?( [KMG]iB| B| seconds?| minutes?| hours?|%)?/g, 'N')
    .replaceAll(/(\bN(, | )?)+/g, 'N ');
}
