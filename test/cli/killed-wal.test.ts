// SIGKILL before every change to the file system, and around every start of a program, of what carries WAL: what was acknowledged is
// there, what is there is whole, and after one more run the index agrees and nothing is left over.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedWals, indexedWals, namesIn } from '../helpers/archived-wals.ts';
import { createGpgHome, type GpgHome } from '../helpers/gpg-home.ts';
import { localSsh } from '../helpers/local-ssh.ts';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { makeDataFolder } from '../helpers/ship-site.ts';
import { createTestHome, type IniSection, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { walContent } from '../helpers/wal-content.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';
import { walTar } from '../helpers/wal-tar.ts';

const killer = fileURLToPath(new URL('../helpers/kill-at.cjs', import.meta.url));
const timeout = 240_000;
const [one, two, three, four] = [1, 2, 3, 4].map((number) => nameOfSegment(number)) as [string, string, string, string];

const history = '00000002.history';
const label = `${two}.00000028.backup`;

/** Kills at the given step, or not at all. */
function killAt(step: number | undefined, where: 'main' | 'attendant' = 'main'): NodeJS.ProcessEnv {
  return step === undefined ? {} : { NODE_OPTIONS: `--require ${killer}`, KILL_AT: String(step), KILL_IN: where };
}

async function aHome(more: IniSection = {}): Promise<TestHome> {
  const main = { conninfo: 'host=127.0.0.1 port=1', backup_method: 'postgres', archiver: true, ...more };
  const home = await createTestHome({ servers: { main } });
  for (const folder of ['incoming', 'wals', 'errors']) await mkdir(home.server('main', folder), { recursive: true });
  return home;
}

function expectSuccess({ exitCode, stderr }: ProgramResult): void {
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
}

/** Goes on with one step after the other until one comes that the program does not take any more; gives how often it was killed. */
async function sweep(killedAt: (step: number) => Promise<boolean>): Promise<number> {
  let step = 1;
  while (await killedAt(step)) step++;
  return step - 1;
}

test('put-wal can be killed anywhere', { timeout }, async () => {
  const sent = new Map([one, two, three].map((name) => [name, walContent(200_000)]));
  const sentOf = (name: string): Buffer => sent.get(name) ?? Buffer.of();
  const input = await walTar(sent);
  const killed = await sweep(async (step) => {
    await using home = await aHome();
    const incoming = home.server('main', 'incoming');
    const waiting = walContent(1000);
    await writeFile(join(incoming, two), sentOf(two));
    await writeFile(join(incoming, three), waiting);
    const put = async (at?: number) => await runPgcellar(['put-wal', 'main'], { home, input, env: killAt(at) });
    const expectWhole = async (): Promise<void> => {
      for (const name of (await namesIn(incoming)).filter((there) => !there.startsWith('.')))
        expect((await readFile(join(incoming, name))).equals(name === three ? waiting : sentOf(name))).toBe(true);
      for (const name of await namesIn(home.server('main', 'errors')))
        expect((await readFile(home.server('main', 'errors', name))).equals(sentOf(three))).toBe(true);
    };
    const { signal, exitCode } = await put(step);
    await expectWhole();
    if (signal !== undefined) expectSuccess(await put());
    else expect(exitCode).toBe(0);
    await expectWhole();
    expect(await namesIn(incoming)).toEqual([one, two, three]);
    expect(await namesIn(home.server('main', 'errors'))).not.toEqual([]);
    return signal !== undefined;
  });
  expect(killed).toBeGreaterThan(10);
});

interface Archiving {
  readonly title: string;
  readonly options: (ring: GpgHome) => IniSection;
  /** Prints the plain content of a stored file, which is its standard input. */
  readonly opens: (ring: GpgHome) => string;
  /** What arrives: new segments, one that is archived already, and one whose name has other content. */
  readonly news: readonly string[];
  readonly again?: string;
  readonly other?: string;
}

const archivings: readonly Archiving[] = [
  {
    title: 'with hooks',
    options: () => ({ pre_archive_script: 'true', post_archive_retry_script: 'true' }),
    opens: () => 'cat',
    news: [two],
    other: four,
  },
  { title: 'of names that are taken', options: () => ({}), opens: () => 'cat', news: [two, three], again: one, other: four },
  { title: 'with a program that compresses', options: () => ({ compression: 'zstd' }), opens: () => 'zstd -dc', news: [two] },
  {
    title: 'with gzip and gpg',
    options: ({ keyId }) => ({ compression: 'gzip', encryption: 'gpg', encryption_key_id: keyId }),
    opens: ({ path, passphraseFile }) =>
      `gpg --homedir ${path} --batch --pinentry-mode loopback --passphrase-file ${passphraseFile} --decrypt | gzip -dc`,
    news: [two],
  },
  {
    title: 'of a history and a label',
    options: () => ({ compression: 'gzip' }),
    opens: () => 'gzip -dc',
    news: [label, history],
  },
];

let ring: GpgHome;
/** A server's folder with two archived segments. */
let archived: TestHome;
const contents = new Map([
  ...[one, two, three, four].map((name, at) => [name, aSegment(at + 1)] as const),
  [history, Buffer.from('1\t0/300098\tno recovery target specified\n')],
  [label, Buffer.from(`START WAL LOCATION: 0/200028 (file ${two})\n`)],
]);
const contentOf = (name: string): Buffer => contents.get(name) ?? Buffer.of();
const otherContent = aSegment(4);

beforeAll(async () => {
  ring = await createGpgHome();
  archived = await aHome();
  for (const name of [one, four]) await writeFile(archived.server('main', 'incoming', name), contentOf(name));
  await runWell(['archive-wal', 'main'], { home: archived });
  for (const [name, content] of contents) await writeFile(join(archived.folder, name), content);
});
afterAll(async () => {
  await archived[Symbol.asyncDispose]();
  await ring[Symbol.asyncDispose]();
});

test.each(archivings)(
  'archive-wal $title can be killed anywhere',
  { timeout },
  async ({ options, opens, news, again, other }) => {
    const killed = await sweep(async (step) => {
      await using home = await aHome(options(ring));
      await promisify(execFile)('cp', ['-a', `${archived.server('main')}/.`, home.server('main')]);
      const incoming = home.server('main', 'incoming');
      for (const name of news) await writeFile(join(incoming, name), contentOf(name));
      if (again !== undefined) await writeFile(join(incoming, again), contentOf(again));
      if (other !== undefined) await writeFile(join(incoming, other), otherContent);
      const archive = async (at?: number) =>
        await runPgcellar(['archive-wal', 'main'], { home, env: { GNUPGHOME: ring.path, ...killAt(at) } });
      const storedAt = (name: string): string =>
        home.server('main', 'wals', ...(name === history ? [] : [name.slice(0, 16)]), name);
      const expectStored = async (name: string): Promise<void> => {
        const command = news.includes(name) ? opens(ring) : 'cat';
        const opened = await runProgram([
          'sh',
          '-c',
          `(${command}) < ${storedAt(name)} | cmp - ${join(archived.folder, name)}`,
        ]);
        expect({ name, exitCode: opened.exitCode, stdout: opened.stdout }).toEqual({ name, exitCode: 0, stdout: '' });
      };
      const { signal, exitCode } = await archive(step);
      for (const name of news) {
        if (existsSync(storedAt(name))) await expectStored(name);
        else expect((await readFile(join(incoming, name))).equals(contentOf(name))).toBe(true);
      }
      if (signal !== undefined) expectSuccess(await archive());
      else expect(exitCode).toBe(0);
      const names = [one, ...news, four].toSorted();
      for (const name of names) await expectStored(name);
      expect((await indexedWals(home)).toSorted()).toEqual(names);
      expect(await archivedWals(home)).toEqual(names.filter((name) => name !== history));
      expect(await namesIn(incoming)).toEqual([]);
      const errors = await namesIn(home.server('main', 'errors'));
      expect(errors.length > 0).toBe(other !== undefined);
      for (const name of errors) expect((await readFile(home.server('main', 'errors', name))).equals(otherContent)).toBe(true);
      return signal !== undefined;
    });
    expect(killed).toBeGreaterThan(10);
  },
);

test('a whole segment that comes in place of a stored copy that was cut short can be killed anywhere', {
  timeout,
}, async () => {
  const killed = await sweep(async (step) => {
    await using home = await aHome();
    await promisify(execFile)('cp', ['-a', `${archived.server('main')}/.`, home.server('main')]);
    const [arrived, stored] = [home.server('main', 'incoming', one), home.server('main', 'wals', one.slice(0, 16), one)];
    await truncate(stored, 300_000);
    await writeFile(arrived, contentOf(one));
    const isWhole = async (path: string) => existsSync(path) && (await readFile(path)).equals(contentOf(one));
    const { signal, exitCode } = await runPgcellar(['archive-wal', 'main'], { home, env: killAt(step) });
    expect((await isWhole(stored)) || (await isWhole(arrived))).toBe(true);
    if (signal !== undefined) expectSuccess(await runPgcellar(['archive-wal', 'main'], { home }));
    else expect(exitCode).toBe(0);
    expect(await isWhole(stored)).toBe(true);
    expect(await archivedWals(home)).toEqual([one, four]);
    expect([await namesIn(home.server('main', 'incoming')), await namesIn(home.server('main', 'errors'))]).toEqual([[], []]);
    return signal !== undefined;
  });
  expect(killed).toBeGreaterThan(10);
});

test('pgcellar-wal-archive, with compression and segments sent ahead, can be killed anywhere', { timeout }, async () => {
  const ready = new Map([one, two].map((name) => [name, walContent(20_000)]));
  const killed = await sweep(async (step) => {
    await using home = await aHome();
    const data = await makeDataFolder(home, 'data');
    const temporary = await home.makeFolder('tmp');
    for (const [name, content] of ready) {
      await writeFile(join(data, 'pg_wal', name), content);
      await writeFile(join(data, 'pg_wal', 'archive_status', `${name}.ready`), '');
    }
    const env = { ...(await localSsh(home)), TMPDIR: temporary };
    const program = await programPath(home, 'pgcellar-wal-archive');
    const send = async (name: string, at?: number): Promise<ProgramResult> => {
      const words = [
        '-z',
        '-p',
        '2',
        '--prefetch-cache-dir',
        join(home.folder, 'cache'),
        '127.0.0.1',
        'main',
        `pg_wal/${name}`,
      ];
      return await runProgram([program, ...words], { env: { ...env, ...killAt(at) }, cwd: data });
    };
    const expectWhole = async (): Promise<void> => {
      const incoming = home.server('main', 'incoming');
      for (const name of (await namesIn(incoming)).filter((there) => !there.startsWith('.'))) {
        const opened = await runProgram([
          'sh',
          '-c',
          `gzip -dc < ${join(incoming, name)} | cmp - ${join(data, 'pg_wal', name)}`,
        ]);
        expect(opened).toMatchObject({ exitCode: 0 });
      }
    };
    const { signal, exitCode } = await send(one, step);
    await waitFor('the backup host has ended', async () => (await home.processes()).length === 0);
    await expectWhole();
    if (signal !== undefined) expectSuccess(await send(one));
    else expect(exitCode).toBe(0);
    expectSuccess(await send(two));
    await expectWhole();
    expect(await namesIn(home.server('main', 'incoming'))).toEqual([one, two]);
    expect(await readdir(temporary)).toEqual([]);
    return signal !== undefined;
  });
  expect(killed).toBeGreaterThan(10);
});

test.each([
  { title: 'restore_command that fetches for itself', where: 'main' as const, ahead: '0' },
  { title: 'the process that answers restore_command and fetches ahead', where: 'attendant' as const, ahead: '2' },
])('$title can be killed anywhere', { timeout }, async ({ where, ahead }) => {
  const segments = new Map([1, 2, 3, 4].map((number) => [nameOfSegment(number), aSegment(number)]));
  await using home = await aHome();
  for (const [name, content] of segments) await writeFile(home.server('main', 'incoming', name), content);
  await runWell(['archive-wal', 'main'], { home });
  const env = await localSsh(home);
  const program = await programPath(home, 'pgcellar-wal-restore');
  const attendants = async () => (await home.processes()).filter(({ command }) => command.includes('wal-restore'));
  const killed = await sweep(async (step) => {
    const data = await makeDataFolder(home, `data-${String(step)}`);
    const spool = await home.makeFolder(`spool-${String(step)}`);
    const destination = join(data, 'pg_wal', 'RECOVERYXLOG');
    const ask = async (name: string, at?: number): Promise<ProgramResult> => {
      const words = ['-p', ahead, '--spool-dir', spool, '127.0.0.1', 'main', name, 'pg_wal/RECOVERYXLOG'];
      return await runProgram([program, ...words], { env: { ...env, ...killAt(at, where) }, cwd: data });
    };
    const expectSegment = async (name: string): Promise<void> => {
      expect((await readFile(destination)).equals(segments.get(name) ?? Buffer.of())).toBe(true);
      await rm(destination);
    };
    const inSpool = async (folder: string): Promise<string[]> => {
      const [name = 'none'] = await readdir(spool);
      return await namesIn(join(spool, name, folder));
    };
    const { signal } = await ask(one, step);
    if (existsSync(destination)) await expectSegment(one);
    if (where === 'attendant')
      await waitFor(
        'it is filled or dead',
        async () => (await attendants()).length === 0 || (await inSpool('ready')).length === 2,
      );
    const wasKilled = where === 'main' ? signal !== undefined : (await attendants()).length === 0;
    for (const name of [one, two]) {
      expectSuccess(await ask(name));
      await expectSegment(name);
    }
    await rm(join(data, 'postmaster.pid'));
    await waitFor('nobody attends to it', async () => (await attendants()).length === 0);
    expect([...(await inSpool('ready')), ...(await inSpool('work'))]).toEqual([]);
    expect((await namesIn(join(data, 'pg_wal'))).filter((name) => name !== 'archive_status')).toEqual([]);
    return wasKilled;
  });
  expect(killed).toBeGreaterThan(5);
});
