// SIGKILL and a full disk at any moment: nothing acknowledged is lost, nothing half-done is taken for whole, and the next run of the
// same command, or cron, puts things right (product.md section 7, promises 1 to 3).
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { archivedWals, indexedWals, namesIn, segmentsBetween } from '../helpers/archived-wals.ts';
import { createGpgHome } from '../helpers/gpg-home.ts';
import { describeEachPostgres, testedMajors } from '../helpers/installations.ts';
import { localSsh } from '../helpers/local-ssh.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { type ProgramResult, type RunningProgram, runProgram, startProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { makeDataFolder } from '../helpers/ship-site.ts';
import { canMount, mountSmallFileSystem } from '../helpers/small-file-system.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { walContent } from '../helpers/wal-content.ts';
import { aSegment, nameOfSegment } from '../helpers/wal-segment.ts';
import { walTar } from '../helpers/wal-tar.ts';
import { startWriteLoad, type WriteLoad } from '../helpers/write-load.ts';

const newest = testedMajors.at(-1);
const mebibyte = 1024 * 1024;

/** A server that only takes files: nothing here ever connects to PostgreSQL. */
function fileServer(more: IniSection = {}): IniSection {
  return { conninfo: 'host=127.0.0.1 port=1 user=barman dbname=postgres', backup_method: 'postgres', archiver: 'on', ...more };
}

/** Lets the program work for a random part of `longestMs`, then kills it. */
async function killSometime(program: RunningProgram, longestMs: number): Promise<ProgramResult> {
  await Promise.race([delay(Math.random() * longestMs), program.ended]);
  program.kill('SIGKILL');
  return await program.ended;
}

/** Waits for something that the program does; its end ends the waiting, too. */
async function waitDuring(program: RunningProgram, title: string, ask: () => Promise<boolean>): Promise<void> {
  let hasEnded = false;
  void program.ended.then(() => {
    hasEnded = true;
  });
  await waitFor(title, async () => hasEnded || (await ask()), {
    everyMs: 2,
    explain: () => program.stdout() + program.stderr(),
  });
}

function digestOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

interface ListedBackup {
  readonly backup_id: string;
  readonly status: string;
}

async function listBackups(home: TestHome): Promise<ListedBackup[]> {
  const { main = [] } = JSON.parse(await runWell(['-f', 'json', 'list-backups', 'main'], { home })) as {
    main?: ListedBackup[];
  };
  return main.map(({ backup_id, status }) => ({ backup_id, status }));
}

/** One line and perhaps a hint, not a stack trace. */
function expectPlainFailure({ exitCode, stderr }: ProgramResult, text: RegExp): void {
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(text);
  expect(
    stderr
      .trimEnd()
      .split('\n')
      .filter((line) => !line.startsWith('HINT: ')),
  ).toHaveLength(1);
}

describe('archive-wal', () => {
  test.each([
    { form: 'as they are', compression: '', count: 400, read: (content: Buffer) => content },
    { form: 'compressed', compression: 'gzip', count: 120, read: gunzipSync },
  ])('killed again and again, archives segments $form, each once', async (how) => {
    const { compression, count, read } = how;
    await using home = await createTestHome({ servers: { main: fileServer({ compression }) } });
    const digests = new Map<string, string>();
    const incoming = home.server('main', 'incoming');
    await mkdir(incoming, { recursive: true });
    for (let number = 1; number <= count; number++) {
      const content = aSegment(number);
      digests.set(nameOfSegment(number), digestOf(content));
      await writeFile(join(incoming, nameOfSegment(number)), content);
    }
    const names = [...digests.keys()];

    let killed = 0;
    for (let round = 0; round < 40 && (await namesIn(incoming)).length > count / 4; round++) {
      await using program = await spawnPgcellar(['archive-wal', 'main'], { home });
      const waiting = (await namesIn(incoming)).length;
      // the start of Node takes its time, so the chance begins with the first file
      await waitDuring(program, 'a file is archived', async () => (await namesIn(incoming)).length < waiting);
      if ((await killSometime(program, 60)).signal === 'SIGKILL') killed++;
      const kept = new Set([...(await namesIn(incoming)), ...(await archivedWals(home))]);
      expect(names.filter((name) => !kept.has(name))).toEqual([]);
    }
    expect(killed).toBeGreaterThan(0);

    await runWell(['archive-wal', 'main'], { home });
    expect((await indexedWals(home)).toSorted()).toEqual(names);
    expect(await archivedWals(home)).toEqual(names);
    for (const [name, digest] of digests) {
      const stored = await readFile(home.server('main', 'wals', name.slice(0, 16), name));
      expect(digestOf(read(stored))).toBe(digest);
    }
    expect(await namesIn(incoming)).toEqual([]);
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
  });

  test('a line of the index that was torn by a crash is written again', async () => {
    await using home = await createTestHome({ servers: { main: fileServer() } });
    const [first, second, third] = [nameOfSegment(1), nameOfSegment(2), nameOfSegment(3)];
    const contents = new Map([first, second, third].map((name, at) => [name, aSegment(at + 1)]));
    await mkdir(home.server('main', 'incoming'), { recursive: true });
    const put = async (name: string) => await writeFile(home.server('main', 'incoming', name), contents.get(name) ?? '');
    for (const name of [first, second]) await put(name);
    await runWell(['archive-wal', 'main'], { home });
    const index = home.server('main', 'wals', 'main-xlog.db');
    const whole = await readFile(index, 'utf8');
    await writeFile(index, whole.slice(0, whole.indexOf(second) + 9)); // the file of the second lies in the archive all the same
    for (const name of [second, third]) await put(name);
    await runWell(['archive-wal', 'main'], { home });
    expect(await indexedWals(home)).toEqual([first, second, third]);
  });
});

describe('put-wal', () => {
  test('killed half-way publishes nothing, and the next one clears up behind it', async () => {
    await using home = await createTestHome({ servers: { main: fileServer() } });
    const incoming = home.server('main', 'incoming');
    const name = '000000010000000000000007';
    const content = walContent(4 * mebibyte);
    await home.writeFile('stream.tar', '');
    await writeFile(join(home.folder, 'stream.tar'), await walTar(new Map([[name, content]])));
    const command = `{ head -c 2000000 "$1"; sleep 300; } | exec "$2" -c "$3" put-wal main`;
    const words = [join(home.folder, 'stream.tar'), await programPath(home), home.configFile];
    await using program = startProgram(['sh', '-c', command, 'sh', ...words], { env: home.env(), cwd: home.folder });
    await waitDuring(program, 'half of it has arrived', async () => {
      const [temporary] = await namesIn(incoming);
      return temporary !== undefined && (await stat(join(incoming, temporary))).size > mebibyte;
    });
    program.killGroup('SIGKILL');
    await program.ended;
    await waitFor('it is gone', async () => (await home.processes()).length === 0);

    const leftovers = await namesIn(incoming);
    expect(leftovers.filter((left) => !left.startsWith('.'))).toEqual([]);
    await runWell(['archive-wal', 'main'], { home });
    expect(await namesIn(incoming)).toEqual(leftovers);
    await runWell(['put-wal', 'main'], { home, input: await readFile(join(home.folder, 'stream.tar')) });
    expect(await namesIn(incoming)).toEqual([name]);
    expect((await readFile(join(incoming, name))).equals(content)).toBe(true);
  });

  test('killed at any moment, it has published a file whole or not at all, and can be repeated', async () => {
    await using home = await createTestHome({ servers: { main: fileServer() } });
    const incoming = home.server('main', 'incoming');
    const names = segmentsBetween('000000010000000000000001', '00000001000000000000000A');
    for (const name of names) {
      const content = walContent(4 * mebibyte);
      const input = await walTar(new Map([[name, content]]));
      await using program = await spawnPgcellar(['put-wal', 'main'], { home, input });
      await waitDuring(program, 'it has begun', async () => (await namesIn(incoming)).some((there) => there.endsWith(name)));
      await killSometime(program, 30);
      if (await exists(join(incoming, name))) expect((await readFile(join(incoming, name))).equals(content)).toBe(true);
      await runWell(['put-wal', 'main'], { home, input });
      expect((await readFile(join(incoming, name))).equals(content)).toBe(true);
    }
    expect(await namesIn(incoming)).toEqual(names);
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
  });
});

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;
    let load: WriteLoad;

    beforeAll(async () => {
      cluster = await opened.add(startCluster({ major }));
      const main = streamingServer(cluster, { immediate_checkpoint: true });
      home = await opened.add(createTestHome({ servers: { main } }));
      await startReceiver(home, cluster);
      load = await opened.add(startWriteLoad(cluster, { paddingBytes: 500 }));
      await runWell(['switch-wal', '--archive', 'main'], { home });
    });
    afterAll(() => opened.close());

    describe('a backup', () => {
      /** Starts a slow backup and kills it while it copies; gives its id. */
      async function killBackup(): Promise<string> {
        await using program = await spawnPgcellar(['backup', '--bwlimit', '500', 'main'], { home });
        const id = await waitFor('it copies', async () => {
          const started = (await listBackups(home)).find(({ status }) => status === 'STARTED');
          if (started === undefined) return undefined;
          return (await exists(home.server('main', 'base', started.backup_id, 'data', 'base'))) && started.backup_id;
        });
        program.kill('SIGKILL');
        await program.ended;
        await waitFor('pg_basebackup is gone, too', async () => {
          return (await home.processes()).every(({ command }) => !command.includes('pg_basebackup'));
        });
        return id;
      }

      test('that was killed while it copied is FAILED after the next one, which works, and can be deleted', async () => {
        const dead = await killBackup();
        await runWell(['backup', '--wait', 'main'], { home });
        const [next, ...others] = await listBackups(home);
        expect(next?.status).toBe('DONE');
        expect(others).toEqual([{ backup_id: dead, status: 'FAILED' }]);
        await runWell(['delete', 'main', dead], { home });
        expect(await listBackups(home)).toEqual([next]);
        expect(await namesIn(home.server('main', 'base'))).toEqual([next?.backup_id]);
      });

      test('that was killed while it copied is FAILED after the next cron, and cannot be restored', async () => {
        const dead = await killBackup();
        await runWell(['cron'], { home });
        expect((await listBackups(home)).find(({ backup_id }) => backup_id === dead)?.status).toBe('FAILED');
        await using folder = await createTemporaryFolder('rs');
        const result = await runPgcellar(['restore', 'main', dead, join(folder.path, 'data')], { home });
        expectPlainFailure(result, /backup status is not DONE/);
        expect(await namesIn(folder.path)).toEqual([]);
        await runWell(['delete', 'main', dead], { home });
      });

      test('that was killed while it waited for its WAL is DONE once cron has archived it', async () => {
        await runWell(['cron'], { home });
        const receiver = (await home.processes()).find(({ command }) => command.includes('pg_receivewal'));
        if (receiver === undefined) throw new Error('nothing receives');
        process.kill(receiver.pid, 'SIGSTOP');
        try {
          await using program = await spawnPgcellar(['backup', '--wait', 'main'], { home });
          await waitDuring(program, 'it waits', () => Promise.resolve(program.stdout().includes('Waiting for the WAL file')));
          program.kill('SIGKILL');
          await program.ended;
        } finally {
          process.kill(receiver.pid, 'SIGCONT');
        }
        const [waiting] = await listBackups(home);
        expect(waiting?.status).toBe('WAITING_FOR_WALS');
        await waitFor('cron sees it through', async () => {
          await runWell(['cron'], { home });
          return (await listBackups(home))[0]?.status === 'DONE';
        });
      });
    });

    describe('a restore', () => {
      test('that was killed half-way cannot be started, is not written over, and works in a folder of its own', async () => {
        await using folder = await createTemporaryFolder('rs', { owner: 'server' });
        const dataDir = join(folder.path, 'data');
        {
          await using program = await spawnPgcellar(['restore', '--bwlimit', '1000', 'main', 'latest', dataDir], { home });
          await waitDuring(program, 'it copies', async () => (await namesIn(dataDir)).length > 3);
          program.kill('SIGKILL');
          await program.ended;
        }
        expect(await exists(join(dataDir, 'global', 'pg_control'))).toBe(false);
        const again = await runPgcellar(['restore', 'main', 'latest', dataDir], { home });
        expectPlainFailure(again, /is not empty/);
        expect(again.stderr).toContain('HINT: an earlier restore to it did not finish');
        await rm(dataDir, { recursive: true });
        await runWell(['restore', 'main', 'latest', dataDir], { home });
        await using server = await startRestored({ dataDir, major });
        expect(Number(await server.value('SELECT count(*) FROM load'))).toBeGreaterThan(0);
      });
    });

    describe('a deletion', () => {
      let saved: string;
      /** Oldest first. */
      let ids: string[];
      const server = (more: IniSection = {}): IniSection =>
        // without a receiver, which would go on working while the home is exchanged
        streamingServer(cluster, { streaming_archiver: 'off', archiver: 'on', ...more });

      beforeAll(async () => {
        for (let count = (await listBackups(home)).length; count < 3; count++) {
          await load.mark();
          await runWell(['backup', '--wait', 'main'], { home });
          await runWell(['switch-wal', '--archive', 'main'], { home });
        }
        ids = (await listBackups(home)).map(({ backup_id }) => backup_id).toSorted();
        await runWell(['receive-wal', '--stop', 'main'], { home });
        await rm(home.server('main', 'streaming'), { recursive: true });
        saved = join(home.folder, 'saved');
        await promisify(execFile)('cp', ['-a', '--reflink=auto', home.path, saved]);
      });

      beforeEach(async () => {
        await rm(home.path, { recursive: true });
        await promisify(execFile)('cp', ['-al', saved, home.path]); // links: a deletion changes no file in its place
        await home.writeServer('main', server());
      });

      async function filesOf(id: string): Promise<string[]> {
        return (await readdir(home.server('main', 'base', id), { recursive: true })).toSorted();
      }

      /** What is listed as usable is whole, however far the deletion came. */
      async function expectHonestList(whole: ReadonlyMap<string, readonly string[]>): Promise<void> {
        for (const { backup_id, status } of await listBackups(home)) {
          if (status === 'DONE') expect(await filesOf(backup_id)).toEqual(whole.get(backup_id));
        }
      }

      async function deleteAgain(id: string): Promise<void> {
        const isMarked = (await namesIn(home.server('main', 'meta'))).includes(`${id}-delete_this`);
        if (isMarked) await runWell(['cron'], { home });
        else if ((await listBackups(home)).some(({ backup_id }) => backup_id === id))
          await runWell(['delete', 'main', id], { home });
      }

      async function expectGone(id: string): Promise<void> {
        const left = ids.filter((other) => other !== id);
        expect((await listBackups(home)).toReversed()).toEqual(left.map((other) => ({ backup_id: other, status: 'DONE' })));
        expect(await namesIn(home.server('main', 'base'))).toEqual(left);
        expect(await namesIn(home.server('main', 'meta'))).toEqual(left.map((other) => `${other}-backup.info`));
        const indexed = await indexedWals(home);
        expect(await archivedWals(home)).toEqual(indexed.filter((name) => !name.endsWith('.history')));
      }

      test('without a crash takes the backup, its record and the WAL that only it needed', async () => {
        const before = (await indexedWals(home)).length;
        await runWell(['delete', 'main', ids[0] ?? ''], { home });
        await expectGone(ids[0] ?? '');
        expect((await indexedWals(home)).length).toBeLessThan(before);
      });

      test.each([
        { moment: 'before it began', script: 'pre_delete_script' },
        { moment: 'between files and WAL', script: 'pre_wal_delete_script' },
        { moment: 'between a WAL file and its line in the index', script: 'post_wal_delete_script' },
        { moment: 'when all was done', script: 'post_delete_script' },
      ])('that was killed $moment comes to its end with cron or delete', async ({ script }) => {
        const id = ids[0] ?? '';
        const whole = new Map(await Promise.all(ids.map(async (each) => [each, await filesOf(each)] as const)));
        await home.writeServer('main', server({ [script]: 'kill -9 $PPID' }));
        expect((await runPgcellar(['delete', 'main', id], { home })).signal).toBe('SIGKILL');
        await home.writeServer('main', server());
        await expectHonestList(whole);
        await deleteAgain(id);
        await expectGone(id);
      });

      test('takes what crashes left beside its record', async () => {
        const id = ids[0] ?? '';
        await writeFile(home.server('main', 'meta', `.${id}-backup.info.0a1b2c3d.tmp`), '');
        await runWell(['delete', 'main', id], { home });
        await expectGone(id);
      });

      test('that was killed after its record went leaves nothing behind the next cron', async () => {
        const id = ids[0] ?? '';
        await runWell(['delete', 'main', id], { home });
        await mkdir(home.server('main', 'base', id));
        await writeFile(home.server('main', 'meta', `${id}-delete_this`), 'delete');
        await runWell(['cron'], { home });
        await expectGone(id);
      });

      test('that is killed again and again comes to its end with cron or delete', async () => {
        const id = ids[1] ?? '';
        const whole = new Map(await Promise.all(ids.map(async (each) => [each, await filesOf(each)] as const)));
        for (let round = 0; round < 5; round++) {
          await using program = await spawnPgcellar(['delete', 'main', id], { home });
          await waitDuring(program, 'it deletes', async () => {
            return (await namesIn(home.server('main', 'meta'))).includes(`${id}-delete_this`);
          });
          await killSometime(program, 30);
          await expectHonestList(whole);
        }
        await deleteAgain(id);
        await expectGone(id);
        await using folder = await createTemporaryFolder('rs', { owner: 'server' });
        const dataDir = join(folder.path, 'data');
        await runWell(['restore', 'main', ids[0] ?? '', dataDir], { home });
        await using restored = await startRestored({ dataDir, major });
        expect(Number(await restored.value('SELECT count(*) FROM load'))).toBeGreaterThan(0);
      });
    });
  },
  newest === undefined ? [] : [newest],
);

describe.skipIf(!(await canMount()))('a full disk', () => {
  /** Without the filler there is room for two segments where they arrived and for the copies of both, which are made concurrently. */
  const diskMib = 80;

  /** A home whose server lies on a disk of its own, with a file on it that leaves `freeMib`. */
  async function onSmallDisk(opened: Opened, { freeMib, ...more }: IniSection & { freeMib: number }): Promise<TestHome> {
    const disk = await opened.add(mountSmallFileSystem({ sizeMib: diskMib }));
    const root = join(disk.path, 'main');
    const home = await opened.add(createTestHome({ servers: { main: fileServer({ backup_directory: root, ...more }) } }));
    for (const folder of ['incoming', 'wals']) await mkdir(join(root, folder), { recursive: true });
    await promisify(execFile)('ln', ['-s', root, home.server('main')]);
    await writeFile(home.server('main', 'filler'), Buffer.alloc((diskMib - freeMib) * mebibyte));
    return home;
  }

  test('makes put-wal fail without a trace, and it works when there is room again', async () => {
    const opened = new Opened();
    try {
      const home = await onSmallDisk(opened, { freeMib: 20 });
      const incoming = home.server('main', 'incoming');
      const [first = '', second = ''] = segmentsBetween('000000010000000000000001', '000000010000000000000002');
      const contents = [walContent(16 * mebibyte), walContent(16 * mebibyte)] as const;
      await runWell(['put-wal', 'main'], { home, input: await walTar(new Map([[first, contents[0]]])) });
      const input = await walTar(new Map([[second, contents[1]]]));
      expectPlainFailure(await runPgcellar(['put-wal', 'main'], { home, input }), /no space left/i);
      expect(await namesIn(incoming)).toEqual([first]);
      await rm(home.server('main', 'filler'));
      await runWell(['put-wal', 'main'], { home, input });
      for (const [index, name] of [first, second].entries()) {
        expect((await readFile(join(incoming, name))).equals(contents[index] ?? Buffer.alloc(0))).toBe(true);
      }
    } finally {
      await opened.close();
    }
  });

  test.each([
    { what: 'for compressed copies', compression: 'gzip', leaves: 8 },
    { what: 'for compressed copies by a program', compression: 'zstd', leaves: 8 },
    { what: 'for compressed copies by a filter of its own', compression: 'custom', leaves: 8 },
    { what: 'for encrypted copies', compression: '', leaves: 8, isEncrypted: true },
    { what: 'for a line of the index', compression: '', leaves: 0 },
  ])('without room $what makes archive-wal fail and lose nothing; with room everything is archived', async (how) => {
    const opened = new Opened();
    try {
      const ring = await opened.add(createGpgHome());
      const env = { GNUPGHOME: ring.path };
      const filters = { custom_compression_filter: 'gzip -c', custom_decompression_filter: 'gzip -dc' };
      const encryption = how.isEncrypted === true ? { encryption: 'gpg', encryption_key_id: ring.keyId } : {};
      const more = { compression: how.compression, ...filters, ...encryption };
      const home = await onSmallDisk(opened, { freeMib: 8 + 32, ...more });
      const incoming = home.server('main', 'incoming');
      const names = segmentsBetween('000000010000000000000001', '000000010000000000000002');
      for (const [at, name] of names.entries())
        await writeFile(join(incoming, name), aSegment(at + 1, { bytes: 16 * mebibyte }));
      if (how.leaves === 0) await fill(home.server('main', 'filler-of-the-rest'));
      expectPlainFailure(await runPgcellar(['archive-wal', 'main'], { home, env }), /no space left/i);
      expect(await namesIn(incoming)).toEqual(names);
      expect((await archivedWals(home)).filter((name) => !names.includes(name))).toEqual([]);
      await rm(home.server('main', 'filler'));
      await runWell(['archive-wal', 'main'], { home, env });
      // the index may be in any order: a file that got its place before its line gets that line by another way
      expect((await indexedWals(home)).toSorted()).toEqual(names);
      expect(await archivedWals(home)).toEqual(names);
      expect(await namesIn(incoming)).toEqual([]);
    } finally {
      await opened.close();
    }
  });

  test.each(['', 'gzip'])(
    'of the archive alone, with the compression %j, leaves files where they arrived',
    async (compression) => {
      const opened = new Opened();
      try {
        const disk = await opened.add(mountSmallFileSystem({ sizeMib: 5 }));
        const main = fileServer({ wals_directory: disk.path, compression });
        const home = await opened.add(createTestHome({ servers: { main } }));
        const incoming = await home.makeFolder('home/main/incoming');
        const contents = new Map([1, 2, 3].map((number) => [nameOfSegment(number), aSegment(number)]));
        const names = [...contents.keys()];
        for (const [name, content] of contents) await writeFile(join(incoming, name), content);
        await writeFile(join(disk.path, 'filler'), Buffer.alloc(3.5 * mebibyte));
        expectPlainFailure(await runPgcellar(['archive-wal', 'main'], { home }), /no space left/i);
        const [stored = '', ...more] = await indexedWals(home, 'main', disk.path);
        expect(more).toEqual([]);
        expect(await namesIn(incoming)).toEqual(names.filter((name) => name !== stored));
        expect(await namesIn(join(disk.path, '0000000100000000'))).toEqual([stored]);
        await rm(join(disk.path, 'filler'));
        await runWell(['archive-wal', 'main'], { home });
        expect(await namesIn(incoming)).toEqual([]);
        expect((await indexedWals(home, 'main', disk.path)).toSorted()).toEqual(names);
        for (const [name, content] of contents) {
          const bytes = await readFile(join(disk.path, name.slice(0, 16), name));
          expect((compression === '' ? bytes : gunzipSync(bytes)).equals(content)).toBe(true);
        }
      } finally {
        await opened.close();
      }
    },
  );

  test('of the errors folder leaves a file whose name is taken where it arrived, until there is room', async () => {
    const opened = new Opened();
    try {
      const disk = await opened.add(mountSmallFileSystem({ sizeMib: 2 }));
      const home = await opened.add(createTestHome({ servers: { main: fileServer({ errors_directory: disk.path }) } }));
      const name = nameOfSegment(1);
      await mkdir(home.server('main', 'incoming'), { recursive: true });
      const put = async (content: Buffer) => await writeFile(home.server('main', 'incoming', name), content);
      await put(aSegment(1));
      await runWell(['archive-wal', 'main'], { home });
      const other = aSegment(1);
      await put(other);
      await fill(join(disk.path, 'filler'));
      expectPlainFailure(await runPgcellar(['archive-wal', 'main'], { home }), /no space left/i);
      expect(await namesIn(home.server('main', 'incoming'))).toEqual([name]);
      await rm(join(disk.path, 'filler'));
      await runWell(['archive-wal', 'main'], { home });
      expect(await namesIn(home.server('main', 'incoming'))).toEqual([]);
      const [rejected = '', ...more] = await namesIn(disk.path);
      expect(more).toEqual([]);
      expect((await readFile(join(disk.path, rejected))).equals(other)).toBe(true);
    } finally {
      await opened.close();
    }
  });

  describe('of the database host', () => {
    const [first, second] = [nameOfSegment(1), nameOfSegment(2)];

    /** A data folder with two segments that are ready, a full disk, and a way to send one. */
    async function aSender(opened: Opened) {
      const disk = await opened.add(mountSmallFileSystem({ sizeMib: 1 }));
      const home = await opened.add(createTestHome({ servers: { main: fileServer() } }));
      const data = await makeDataFolder(home, 'data');
      for (const [at, name] of [first, second].entries()) {
        await writeFile(join(data, 'pg_wal', name), aSegment(at + 1));
        await writeFile(join(data, 'pg_wal', 'archive_status', `${name}.ready`), '');
      }
      await fill(join(disk.path, 'filler'));
      const env = { ...(await localSsh(home)), TMPDIR: disk.path };
      const program = await programPath(home, 'pgcellar-wal-archive');
      const send = async (name: string, ...words: readonly string[]) =>
        await runProgram([program, ...words, '127.0.0.1', 'main', `pg_wal/${name}`], { env, cwd: data });
      return { disk: disk.path, incoming: home.server('main', 'incoming'), data, send };
    }

    test.each(['-z', '--snappy', '--zstd'])('makes archive_command with %s fail, and nothing is sent', async (flag) => {
      const opened = new Opened();
      try {
        const { disk, incoming, send } = await aSender(opened);
        const refused = await send(first, flag);
        expect(refused).toMatchObject({ exitCode: 2, stderr: expect.stringMatching(/no space left/i) as string });
        expect(await namesIn(incoming)).toEqual([]);
        expect(await namesIn(disk)).toEqual(['filler']);
        await send(second); // uncompressed, it needs no room here
        expect(await namesIn(incoming)).toEqual([second]);
      } finally {
        await opened.close();
      }
    });

    test('lets segments that were sent ahead be sent once more, and fails for none', async () => {
      const opened = new Opened();
      try {
        const { disk, incoming, data, send } = await aSender(opened);
        const cache = join(disk, 'cache');
        await rm(join(disk, 'filler'));
        await mkdir(cache, { mode: 0o700 });
        await fill(join(disk, 'filler'));
        for (const name of [first, second]) {
          const sent = await send(name, '-p', '2', '--prefetch-cache-dir', cache);
          expect({ exitCode: sent.exitCode, isWarned: /not be written: .*no space/i.test(sent.stderr) }).toEqual({
            exitCode: 0,
            isWarned: name === first,
          });
        }
        for (const name of [first, second])
          expect((await readFile(join(incoming, name))).equals(await readFile(join(data, 'pg_wal', name)))).toBe(true);
        expect(await namesIn(cache)).toEqual([]);
      } finally {
        await opened.close();
      }
    });
  });

  async function fill(path: string): Promise<void> {
    await promisify(execFile)('sh', ['-c', 'cat /dev/zero > "$0" 2>/dev/null || true', path]);
  }
});
