// One day under hook scripts that note their whole environment: the real Barman's day and ours are to look the same to a script.
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedWals, indexedWals } from '../helpers/archived-wals.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { newestRecord } from '../helpers/newest-record.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const events = ['backup', 'archive', 'wal_delete', 'delete', 'recovery'] as const;
const points = events.flatMap((event) =>
  ['pre', 'post'].flatMap((phase) => ['', '_retry'].map((retry) => `${phase}_${event}${retry}_script`)),
);

/** What one script was told, by variable. */
type Told = Readonly<Record<string, string>>;

/** How a verb ended whose script had its own mind. */
interface End {
  readonly words: string;
  readonly exitCode: number | undefined;
  readonly left: string;
}

interface Noted {
  readonly told: readonly Told[];
  readonly ends: readonly End[];
}

interface Day {
  readonly home: TestHome;
  readonly cluster: PostgresServer;
  readonly sshd: Sshd;
  readonly run: (words: readonly string[]) => Promise<ProgramResult>;
}

describeWithOracle('the variables of hook scripts', () => {
  const opened = new Opened();
  let theirs: Noted;
  let ours: Noted;

  beforeAll(async () => {
    const cluster = await opened.add(startCluster({ major: 15, settings: { archive_mode: 'on', archive_command: 'true' } }));
    const far = await opened.add(createTemporaryFolder('ts', { owner: 'server' }));
    await cluster.query(`CREATE TABLESPACE far LOCATION '${far.path}'`);
    const sshd = await opened.add(startSshd());
    const [theirHome, ourHome] = [await opened.add(aHome(cluster)), await opened.add(aHome(cluster))];
    theirs = await live({ home: theirHome, cluster, sshd, run: async (words) => await runOracle(words, { home: theirHome }) });
    ours = await live({ home: ourHome, cluster, sshd, run: async (words) => await runPgcellar(words, { home: ourHome }) });
  });
  afterAll(() => opened.close());

  test.each(events)('scripts around %s are told by us what the real Barman tells them', (event) => {
    const [mine = [], barmans = []] = [ours, theirs].map(({ told }) => storiesOf(event, told));
    expect(barmans).not.toEqual([]);
    expect(mine.map(withoutReason)).toEqual(barmans.map(withoutReason));
  });

  test('why a WAL file was not archived is a sentence, and both scripts behind it are told', () => {
    const [reasonsOfOurs, reasonsOfTheirs] = [ours, theirs].map(({ told }) =>
      told.flatMap(({ BARMAN_ERROR: reason = '', BARMAN_HOOK: hook }) => (reason === '' ? [] : [{ hook, reason }])),
    );
    expect(reasonsOfTheirs).toMatchObject([{ hook: 'archive_retry_script' }]);
    const reason = expect.stringMatching(/^WAL\d is already archived with other content$/) as string;
    expect(reasonsOfOurs).toEqual([
      { hook: 'archive_retry_script', reason },
      { hook: 'archive_script', reason },
    ]);
  });

  test('63 before an event stops it, 62 does not, and neither matters after it: each verb ends as the real Barman does', () => {
    expect(ours.ends).toEqual(theirs.ends);
    expect(ours.ends).toEqual([
      { words: 'backup', exitCode: 1, left: 'FAILED' },
      { words: 'archive-wal', exitCode: 0, left: 'it waits' },
      { words: 'restore', exitCode: 1, left: 'nothing' },
      { words: 'backup', exitCode: 0, left: 'a backup' },
      { words: 'archive-wal', exitCode: 0, left: 'it is archived' },
      { words: 'restore', exitCode: 0, left: 'a cluster' },
      { words: 'delete', exitCode: 1, left: 'its files' },
      { words: 'delete', exitCode: 1, left: 'its record' },
      { words: 'delete', exitCode: 0, left: 'nothing' },
    ]);
  });
});

/** What was told of each thing that an event was about, one after the other. Things that the same was told of count once. */
function storiesOf(event: string, told: readonly Told[]): Told[][] {
  const own = told.filter(({ BARMAN_HOOK: hook = '' }) => hook.replace(/(_retry)?_script$/, '') === event);
  const things = new Set(own.map(thingOf));
  const byThing = [...things].map((thing) => own.filter((each) => thingOf(each) === thing));
  const stories = byThing.map((story) => JSON.stringify(story).replaceAll(/WAL\d+/g, 'WAL'));
  return [...new Set(stories)].toSorted().map((story) => JSON.parse(story) as Told[]);
}

/** The words of an error are of each program alone. */
function withoutReason(story: readonly Told[]): Told[] {
  return story.map((told) => ({ ...told, BARMAN_ERROR: '' }));
}

function thingOf({ BARMAN_SEGMENT: segment, BARMAN_BACKUP_ID: id }: Told): string | undefined {
  return segment ?? id;
}

async function aHome(cluster: PostgresServer): Promise<TestHome> {
  const home = await createTestHome({ global: { compression: 'gzip' } });
  const note = join(home.folder, 'note.sh');
  await writeFile(note, `#!/bin/sh\n{ env | grep ^BARMAN_ | sort; echo; } >> ${home.folder}/told\n`, { mode: 0o755 });
  const scripts = Object.fromEntries(points.map((point) => [point, note]));
  await home.writeServer('main', archivingServer(cluster, scripts));
  await mkdir(home.server('main', 'incoming'), { recursive: true });
  await chmod(home.server('main', 'incoming'), 0o777);
  return home;
}

function archivingServer(cluster: PostgresServer, more: IniSection): IniSection {
  return streamingServer(cluster, { streaming_archiver: 'off', archiver: 'on', create_slot: 'manual', ...more });
}

/** Archives, backs up, meets other WAL of a known name, restores here and elsewhere, deletes; gives what the scripts were told. */
async function live(day: Day): Promise<Noted> {
  const { home, cluster, sshd } = day;
  const incoming = home.server('main', 'incoming');
  await cluster.query(`ALTER SYSTEM SET archive_command = 'cp %p ${incoming}/%f.tmp && mv ${incoming}/%f.tmp ${incoming}/%f'`);
  cluster.reload();
  await archiveSegment(day);
  await backUp(day, 'one');
  await backUp(day, 'two');
  const [known = ''] = await archivedWals(home);
  await writeFile(join(incoming, known), 'other WAL of a known name');
  await utimes(join(incoming, known), 1_770_000_000, 1_770_000_000); // nobody writes it any more
  await succeed(day, ['archive-wal', 'main']);
  const [here, there] = ['here', 'there'].map((name) => join(home.folder, name));
  await succeed(day, [
    'restore',
    '--tablespace',
    `far:${here ?? ''}-far`,
    '--target-immediate',
    '--target-action',
    'pause',
    'main',
    'oldest',
    here ?? '',
  ]);
  await succeed(day, [
    'restore',
    '--remote-ssh-command',
    sshd.sshCommand,
    '--tablespace',
    `far:${there ?? ''}-far`,
    'main',
    'oldest',
    there ?? '',
  ]);
  await succeed(day, ['delete', 'main', 'oldest']);
  const told = await toldIn(home);
  const ends = await liveWithRefusals(day);
  await cluster.query(`ALTER SYSTEM SET archive_command = 'true'`);
  cluster.reload();
  return { told, ends };
}

/** The same verbs again, with scripts that end with 63 before the event, then with 62 before it and 63 after it. */
async function liveWithRefusals(day: Day): Promise<End[]> {
  const { home, run } = day;
  const ends: End[] = [];
  const note = async (words: readonly string[], left: () => string | Promise<string>): Promise<void> => {
    const { exitCode } = await run(words);
    ends.push({ words: words[0] ?? '', exitCode, left: await left() });
  };
  // whether its last segment has arrived by then depends on the moment
  const newest = async (): Promise<string> => (/^status=FAILED$/m.test(await newestRecord(home)) ? 'FAILED' : 'a backup');
  const archive = async (): Promise<void> => {
    const name = await closeSegment(day);
    await waitFor(`${name} waits`, () => existsSync(home.server('main', 'incoming', name)));
    await note(['archive-wal', 'main'], async () => ((await indexedWals(home)).includes(name) ? 'it is archived' : 'it waits'));
  };
  const restored = join(home.folder, 'restored');
  const restore = async (): Promise<void> => {
    const words = ['restore', '--tablespace', `far:${restored}-far`, 'main', 'oldest', restored];
    await note(words, () => (existsSync(join(restored, 'global', 'pg_control')) ? 'a cluster' : 'nothing'));
  };
  const [oldest = ''] = (await readdir(home.server('main', 'base'))).toSorted();
  const remove = async (): Promise<void> => {
    await note(['delete', 'main', oldest], () =>
      existsSync(home.server('main', 'base', oldest, 'data'))
        ? 'its files'
        : existsSync(home.server('main', 'meta', `${oldest}-backup.info`))
          ? 'its record'
          : 'nothing',
    );
  };
  for (const scripts of [refusing('backup', 'archive', 'recovery'), indifferent('backup', 'archive', 'recovery')]) {
    await home.writeServer('main', archivingServer(day.cluster, scripts));
    await note(['backup', 'main'], newest);
    await archive();
    await restore();
  }
  for (const scripts of [refusing('delete'), refusing('wal_delete'), indifferent('delete', 'wal_delete')]) {
    await home.writeServer('main', archivingServer(day.cluster, scripts));
    await remove();
  }
  return ends;
}

function refusing(...about: readonly string[]): IniSection {
  return Object.fromEntries(about.map((event) => [`pre_${event}_retry_script`, 'exit 63']));
}

function indifferent(...about: readonly string[]): IniSection {
  return Object.fromEntries(
    about.flatMap((event) => [
      [`pre_${event}_retry_script`, 'exit 62'],
      [`post_${event}_retry_script`, 'exit 63'],
    ]),
  );
}

async function backUp(day: Day, name: string): Promise<void> {
  await succeed(day, ['backup', '--name', name, 'main']);
  await archiveSegment(day);
  await succeed(day, ['check-backup', 'main', 'latest']);
}

/** Closes a segment and archives all up to it. */
async function archiveSegment(day: Day): Promise<void> {
  const { home } = day;
  const name = await closeSegment(day);
  await waitFor(`${name} is archived`, async () => {
    await succeed(day, ['archive-wal', 'main']);
    return existsSync(home.server('main', 'wals', name.slice(0, 16), name));
  });
}

async function closeSegment({ cluster }: Day): Promise<string> {
  await cluster.query('SELECT pg_logical_emit_message(true, $$test$$, $$something$$)');
  return await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
}

async function succeed({ run }: Day, words: readonly string[]): Promise<void> {
  const result = await run(words);
  expect(result, `${words.join(' ')}: ${result.stdout}${result.stderr}`).toMatchObject({ exitCode: 0 });
}

/** What does not depend on the day: ids and segments by their order, no times, and no sizes of what zlib made smaller. */
async function toldIn(home: TestHome): Promise<Told[]> {
  const text = (await readFile(join(home.folder, 'told'), 'utf8')).replaceAll(home.folder, 'FOLDER');
  const named = numbered(numbered(text, /\b\d{8}T\d{6}\b/g, 'ID'), /\b[0-9A-F]{24}\b/g, 'WAL');
  return named
    .trimEnd()
    .split('\n\n')
    .map((block) => comparable(Object.fromEntries(block.split('\n').map(variableOf))));
}

function variableOf(line: string): [string, string] {
  const end = line.indexOf('=');
  return [line.slice(0, end), line.slice(end + 1)];
}

function comparable({ BARMAN_VERSION: version, ...told }: Told): Told {
  expect(version).toMatch(/^3\.\d+\.\d+$/);
  const { BARMAN_TIMESTAMP: time, BARMAN_COMPRESSION: compression, BARMAN_SIZE: size } = told;
  if (time === undefined) return told;
  expect(time).toMatch(/^1\d{9}\.\d{1,9}$/);
  expect(size).toMatch(/^\d+$/);
  return { ...told, BARMAN_TIMESTAMP: 'TIME', ...(compression === '' ? {} : { BARMAN_SIZE: 'SIZE' }) };
}

function numbered(text: string, pattern: RegExp, word: string): string {
  const known = [...new Set(text.match(pattern) ?? [])].toSorted();
  return text.replaceAll(pattern, (found) => `${word}${String(known.indexOf(found))}`);
}
