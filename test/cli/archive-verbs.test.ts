import { mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { namesIn } from '../helpers/archived-wals.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import { startProgram } from '../helpers/run-program.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const server = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
const first = '000000010000000000000001';

async function fillArchive(home: TestHome): Promise<string> {
  const wals = home.server('main', 'wals');
  const folder = join(wals, first.slice(0, 16));
  await mkdir(folder, { recursive: true });
  for (const number of [1, 2, 4])
    await writeFile(join(folder, `${first.slice(0, 23)}${String(number)}`), Buffer.alloc(1 << 20));
  await writeFile(join(folder, `${first.slice(0, 23)}4.00000028.backup`), 'label');
  await writeFile(join(wals, '00000002.history'), '1\t0/500000\tno recovery target specified\n');
  return join(wals, 'main-xlog.db');
}

describeWithOracle('verbs about the archive, beside the real Barman', () => {
  let home: TestHome;
  let index: string;
  beforeAll(async () => {
    home = await createTestHome({ servers: { main: server, empty: server } });
    index = await fillArchive(home);
  });
  afterAll(() => home[Symbol.asyncDispose]());

  test('rebuild-xlogdb writes the same index and says the same', async () => {
    const theirs = await runOracle(['rebuild-xlogdb', 'main'], { home });
    const theirIndex = await readFile(index, 'utf8');
    await rm(index);
    const ours = await runPgcellar(['rebuild-xlogdb', 'main'], { home });
    expect(ours).toEqual(theirs);
    // a fifth column only where it says something: Barman before 3.14 cannot read it
    expect(await readFile(index, 'utf8')).toBe(theirIndex.replaceAll(/\tNone$/gm, ''));
  });

  test.each([
    { words: ['main'] },
    { words: ['empty'] },
    { words: ['--timeline', '1', 'main'] },
    { words: ['--timeline', '2', 'main'] },
    { words: ['--timeline', '3', 'main'] },
    { words: ['--timeline', '0', 'main'] },
  ])('check-wal-archive $words ends and says the same', async ({ words }) => {
    const theirs = await runOracle(['check-wal-archive', ...words], { home });
    const ours = await runPgcellar(['check-wal-archive', ...words], { home });
    expect(ours.exitCode).toBe(theirs.exitCode);
    if (theirs.exitCode === 2) return; // the wording of usage lines is each program's own
    expect(ours.stdout).toBe(theirs.stdout);
    expect(ours.stderr).toBe(theirs.stderr);
  });

  test.each([
    [['get-wal', 'main', 'not-a-wal-name']],
    [['get-wal', 'main', '0000000100000000000000FF']],
    [['get-wal', '--gzip', '--keep-compression', 'main', first]],
    [['get-wal', '--peek', '5', 'main', first]],
    [['get-wal', '--test', 'main', first]],
    [['put-wal', '--test', 'main']],
  ])('%s has the same exit code and output', async (words) => {
    const theirs = await runOracle(words, { home });
    const ours = await runPgcellar(words, { home });
    expect({ exitCode: ours.exitCode, stdout: ours.stdout }).toEqual({ exitCode: theirs.exitCode, stdout: theirs.stdout });
  });
});

describe('gaps in the archive', () => {
  test('check-archived-wal-range needs a backup that says how large a segment is, and segment names of one timeline in order', async () => {
    await using home = await createTestHome({ servers: { main: server } });
    await fillArchive(home);
    const range = async (...words: string[]) => await runPgcellar(['check-archived-wal-range', 'main', ...words], { home });
    const last = `${first.slice(0, 23)}4`;
    expect((await range(first, last)).exitCode).toBe(1);
    await mkdir(home.server('main', 'meta'), { recursive: true });
    const record = ['mode=postgres', 'status=DONE', 'server_name=main', 'timeline=1', 'xlog_segment_size=1048576'];
    const positions = [`begin_wal=${first}`, `end_wal=${first}`, 'begin_xlog=0/100028', 'end_xlog=0/200000'];
    await writeFile(home.server('main', 'meta', '20260101T000000-backup.info'), `${[...record, ...positions].join('\n')}\n`);
    const { exitCode, stdout, stderr } = await range(first, last);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 1,
      stdout: `Server main:\n\tWAL sequence check for server main: 1 missing segment(s):\n\t\t${first.slice(0, 23)}3\n`,
    });
    expect(stderr).toContain(`${first}..${last}`);
    expect(await range(first, `${first.slice(0, 23)}2`)).toMatchObject({ exitCode: 0, stderr: '' });
    const json = await runPgcellar(['-f', 'json', 'check-archived-wal-range', 'main', first, last], { home });
    expect(JSON.parse(json.stdout)).toMatchObject({
      main: { begin_wal: first, end_wal: last, missing_wals: [`${first.slice(0, 23)}3`] },
    });
    for (const wrong of [
      [last, first],
      [first, '000000020000000000000004'],
      [first, `${last}.partial`],
      [first, `${first.slice(0, 8)}FFFFFFFF00000000`],
    ]) {
      expect((await range(...wrong)).exitCode).toBe(1);
    }
  });
});

describe('work that runs for a server', () => {
  test('is listed by its lock, of that server alone, and can be stopped', async () => {
    await using home = await createTestHome({ servers: { main: server, 'main-two': server } });
    const list = async (name: string) => (await runPgcellar(['list-processes', name], { home })).stdout;
    expect(await list('main')).toBe('No active subprocesses found for server main.\n');
    const lock = join(home.path, '.main-two-backup.lock');
    await writeFile(lock, '1\n');
    await using sleeper = startProgram(['flock', lock, 'sleep', '60'], { env: home.env() });
    await waitFor('the lock is held', async () => (await list('main-two')).includes('1 backup'));
    expect(await list('main')).toBe('No active subprocesses found for server main.\n');
    sleeper.killGroup('SIGKILL');
    const { exitCode, stderr } = await runPgcellar(['terminate-process', 'main', 'receive-wal'], { home });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('no such process');
  });

  test.each(['SIGINT', 'SIGTERM'] as const)('ends on %s with one line, after the files under way', async (signal) => {
    const filter = { compression: 'custom', custom_compression_filter: 'sleep 1; cat' };
    await using home = await createTestHome({ servers: { main: { ...server, ...filter } } });
    const incoming = await home.makeFolder('home/main/incoming');
    const names = Array.from({ length: 40 }, (_, number) => `${first.slice(0, 22)}${String(number + 10)}`);
    for (const name of names) {
      await writeFile(join(incoming, name), name);
      await utimes(join(incoming, name), 1_770_000_000, 1_770_000_000); // nobody writes them any more
    }
    const command = [await programPath(home), '-c', home.configFile, 'archive-wal', 'main'];
    await using archiving = startProgram(command, { env: home.env() });
    const folder = home.server('main', 'wals', first.slice(0, 16));
    await waitFor('the first file is under way', async () => (await namesIn(folder)).length > 0);
    archiving.kill(signal);
    expect(await archiving.ended).toMatchObject({ exitCode: 1, stderr: 'ERROR: interrupted by a signal\n' });
    const stored = await namesIn(folder);
    expect(stored.length).toBeGreaterThan(0);
    expect([...stored, ...(await namesIn(incoming))]).toEqual(names);
    expect(await readFile(home.logFile, 'utf8')).not.toContain('AbortError');
  });

  test('lock-directory-cleanup removes the locks that nobody holds', async () => {
    await using home = await createTestHome({ servers: { main: server } });
    for (const name of ['.main-cron.lock', '.main-20260101T000000.lock', 'other.lock'])
      await writeFile(join(home.path, name), '1\n');
    expect(await runPgcellar(['lock-directory-cleanup'], { home })).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
    await expect(readFile(join(home.path, '.main-cron.lock'))).rejects.toThrow('ENOENT');
    expect(await readFile(join(home.path, 'other.lock'), 'utf8')).toBe('1\n');
  });
});
