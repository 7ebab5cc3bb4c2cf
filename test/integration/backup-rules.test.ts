// What a backup, a deletion and cron may do and may not, and WAL on the wire: put-wal, archive-wal, get-wal.
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { archivedWals, indexedWals, namesIn, segmentsBetween } from '../helpers/archived-wals.ts';
import { describeEachPostgres, describeWithOracle, testedMajors } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle, spawnOracle } from '../helpers/run-oracle.ts';
import { programPath, runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { isSlotActive, startReceiver } from '../helpers/start-receiver.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { walContent } from '../helpers/wal-content.ts';
import { walTar } from '../helpers/wal-tar.ts';
import { startWriteLoad } from '../helpers/write-load.ts';

const newest = testedMajors.at(-1);
const mebibyte = 1024 * 1024;

interface ListedBackup {
  readonly backup_id: string;
  readonly backup_name?: string;
  readonly status: string;
}

/** Newest first. */
async function listBackups(home: TestHome): Promise<ListedBackup[]> {
  const { main = [] } = JSON.parse(await runWell(['-f', 'json', 'list-backups', 'main'], { home })) as {
    main?: ListedBackup[];
  };
  return main;
}

async function idsOf(home: TestHome): Promise<string[]> {
  return (await listBackups(home)).map(({ backup_id }) => backup_id).toSorted();
}

async function statusOf(home: TestHome, id: string): Promise<string | undefined> {
  return (await listBackups(home)).find(({ backup_id }) => backup_id === id)?.status;
}

/** Takes a backup to its end; gives its id. */
async function backUp(home: TestHome, ...words: string[]): Promise<string> {
  await runWell(['backup', '--wait', ...words, 'main'], { home });
  return (await listBackups(home))[0]?.backup_id ?? '';
}

async function recordValue(home: TestHome, id: string, key: string): Promise<string> {
  const record = await readFile(home.server('main', 'meta', `${id}-backup.info`), 'utf8');
  return new RegExp(`^${key}=(.*)$`, 'm').exec(record)?.[1] ?? '';
}

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;

    beforeAll(async () => {
      cluster = await opened.add(startCluster({ major }));
      await opened.add(startWriteLoad(cluster, { paddingBytes: 500 }));
    });
    afterEach(async () => {
      await waitFor('nobody streams', async () => !(await isSlotActive(cluster)));
      await cluster.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
    });
    afterAll(() => opened.close());

    const server = (more: IniSection = {}): IniSection => streamingServer(cluster, { immediate_checkpoint: true, ...more });

    /** A home that receives WAL and has archived some; the word `none` for compression is newer than the oracle. */
    async function receivingHome(more: IniSection = {}): Promise<TestHome> {
      const home = await createTestHome({ global: { compression: '' }, servers: { main: server(more) } });
      await startReceiver(home, cluster);
      await runWell(['switch-wal', '--archive', 'main'], { home });
      return home;
    }

    /** The receiver sleeps while `work` is done: WAL that is written meanwhile arrives afterwards. */
    async function withoutWal(home: TestHome, work: () => Promise<void>): Promise<void> {
      const receiver = (await home.processes()).find(({ command }) => command.includes('pg_receivewal'));
      if (receiver === undefined) throw new Error('nothing receives');
      process.kill(receiver.pid, 'SIGSTOP');
      try {
        await work();
      } finally {
        process.kill(receiver.pid, 'SIGCONT');
      }
    }

    test('the first backup removes the WAL before it, later ones leave WAL alone', async () => {
      await using home = await receivingHome();
      const useless = await indexedWals(home);
      const printed = await runWell(['backup', '--wait', 'main'], { home });
      const begin = await recordValue(home, (await idsOf(home))[0] ?? '', 'begin_wal');
      expect(printed).toContain('This is the first backup for server main');
      for (const name of useless) expect(printed).toContain(`\t${name} from server main has been removed`);
      const kept = await indexedWals(home);
      expect(kept[0]).toBe(begin);
      expect(await archivedWals(home)).toEqual(kept);
      expect(await runWell(['backup', '--wait', 'main'], { home })).not.toContain('This is the first backup');
      expect((await indexedWals(home)).slice(0, kept.length)).toEqual(kept);
    });

    test('a backup can be called by its name', async () => {
      await using home = await receivingHome();
      const id = await backUp(home, '--name', 'before upgrade');
      expect(await runWell(['list-backups', 'main'], { home })).toContain(`main ${id} 'before upgrade' - F - `);
      expect((await listBackups(home))[0]?.backup_name).toBe('before upgrade');
      expect(await runWell(['show-backup', 'main', 'before upgrade'], { home })).toContain(`Backup ${id}:`);
      await runWell(['delete', 'main', 'before upgrade'], { home });
      expect(await idsOf(home)).toEqual([]);
    });

    test('while a backup runs another one is refused, and so is a deletion', async () => {
      await using home = await receivingHome();
      const done = await backUp(home);
      await using running = await spawnPgcellar(['backup', '--bwlimit', '500', 'main'], { home });
      await waitFor('it runs', async () => (await listBackups(home))[0]?.status === 'STARTED', {
        explain: () => running.stdout() + running.stderr(),
      });
      const second = await runPgcellar(['backup', 'main'], { home });
      expect(second).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(/^ERROR: Another backup process is running/) as string,
      });
      expect(await runPgcellar(['delete', 'main', done], { home })).toMatchObject({ exitCode: 1 });
      expect(await statusOf(home, done)).toBe('DONE');
      running.kill('SIGINT');
      expect((await running.ended).exitCode).toBe(1);
      expect((await listBackups(home)).map(({ status }) => status)).toEqual(['FAILED', 'DONE']);
    });

    describeWithOracle('beside the real Barman', () => {
      test('a backup is refused in the same words, whichever of the two is running', async () => {
        await using home = await receivingHome();
        {
          await using running = await spawnPgcellar(['backup', '--bwlimit', '500', 'main'], { home });
          await waitFor('it runs', async () => (await listBackups(home))[0]?.status === 'STARTED');
          const ours = await runPgcellar(['backup', 'main'], { home });
          const barmans = await runOracle(['backup', 'main'], { home });
          expect(barmans).toMatchObject({ exitCode: 1, stderr: 'ERROR: Another backup process is running\n' });
          expect(ours.exitCode).toBe(barmans.exitCode);
          expect(ours.stderr.split('\n')[0]).toBe(`${barmans.stderr.trimEnd()} on server main`);
          running.kill('SIGINT');
          await running.ended;
        }
        await home.writeServer('main', server({ bandwidth_limit: 500 }));
        await using running = spawnOracle(['backup', 'main'], { home });
        await waitFor('it runs', async () => (await listBackups(home))[0]?.status === 'STARTED', {
          explain: () => running.stderr(),
        });
        expect(await runPgcellar(['backup', 'main'], { home })).toMatchObject({
          exitCode: 1,
          stderr: expect.stringMatching(/^ERROR: Another backup process is running/) as string,
        });
      });

      test('a deletion that redundancy forbids is refused in the same words', async () => {
        await using home = await receivingHome({ minimum_redundancy: 1 });
        const id = await backUp(home);
        const barmans = await runOracle(['delete', 'main', id], { home });
        const ours = await runPgcellar(['delete', 'main', id], { home });
        expect([ours.exitCode, barmans.exitCode]).toEqual([1, 1]);
        const [reason = ''] = barmans.stderr.split('\n');
        expect(ours.stderr.split('\n')[0]?.replace(/^ERROR: /, '')).toBe(reason.replace(/^WARNING: /, ''));
        expect(await statusOf(home, id)).toBe('DONE');
      });
    });

    test('a backup that minimum_redundancy needs, or that is kept, is not deleted', async () => {
      await using home = await receivingHome({ minimum_redundancy: 2 });
      const ids = [await backUp(home), await backUp(home)];
      const [older = '', younger = ''] = ids;
      const refused = async (id: string, reason: string) => {
        const result = await runPgcellar(['delete', 'main', id], { home });
        expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(reason) as string });
        expect(await idsOf(home)).toEqual(ids);
        expect(await statusOf(home, id)).toBe('DONE');
      };
      await refused(older, 'due to minimum redundancy requirements (minimum redundancy = 2, current redundancy = 2)');
      await home.writeServer('main', server({ minimum_redundancy: 1 }));
      const annotation = home.server('main', 'meta', `${older}-keep`);
      await writeFile(annotation, 'full');
      await refused(older, 'as it has a current keep request');
      await rm(annotation);
      await runWell(['delete', 'main', older], { home });
      expect(await idsOf(home)).toEqual([younger]);
      await home.writeServer('main', server());
      await runWell(['delete', 'main', younger], { home });
      expect(await idsOf(home)).toEqual([]);
    });

    test('cron deletes what the retention policy makes obsolete, with its WAL, but not what is kept', async () => {
      await using home = await receivingHome();
      const ids = [await backUp(home), await backUp(home), await backUp(home)];
      const [kept = '', obsolete = '', valid = ''] = ids;
      await writeFile(home.server('main', 'meta', `${kept}-keep`), 'standalone');
      await home.writeServer('main', server({ retention_policy: 'REDUNDANCY 1' }));
      expect(await runWell(['list-backups', 'main'], { home })).toMatch(new RegExp(`main ${obsolete} .* - OBSOLETE`));
      expect(await runWell(['cron'], { home })).toContain(`removing backup ${obsolete} for server main`);
      expect(await idsOf(home)).toEqual([kept, valid]);
      expect(await namesIn(home.server('main', 'base'))).toEqual([kept, valid]);
      const wals = await indexedWals(home);
      const standalone = segmentsBetween(await recordValue(home, kept, 'begin_wal'), await recordValue(home, kept, 'end_wal'));
      const begin = await recordValue(home, valid, 'begin_wal');
      expect(wals.filter((name) => name < begin)).toEqual(standalone);
      expect(await archivedWals(home)).toEqual(wals);
    });

    test('check-backup sees when the last WAL of a backup has come', async () => {
      await using home = await receivingHome();
      let id = '';
      await withoutWal(home, async () => {
        expect(await runWell(['backup', 'main'], { home })).toContain('Backup completed');
        id = (await idsOf(home))[0] ?? '';
        // as Barman does from 3.21 on: a script must not take it for a backup that can be restored
        expect(await runPgcellar(['check-backup', 'main', id], { home })).toMatchObject({
          exitCode: 1,
          stderr: expect.stringContaining('still waiting for WAL files') as string,
        });
        expect(await statusOf(home, id)).toBe('WAITING_FOR_WALS');
      });
      await waitFor('its WAL is archived', async () => {
        await runWell(['archive-wal', 'main'], { home });
        return (await indexedWals(home)).includes(await recordValue(home, id, 'end_wal'));
      });
      expect(await statusOf(home, id)).toBe('WAITING_FOR_WALS');
      await runWell(['check-backup', 'main', id], { home });
      expect(await statusOf(home, id)).toBe('DONE');
    });

    test('a backup whose WAL is lost fails, and does not hold up the one behind it', async () => {
      await using home = await receivingHome();
      await withoutWal(home, async () => {
        for (let count = 0; count < 2; count++) await runWell(['backup', 'main'], { home });
      });
      const [lost = '', waiting = ''] = await idsOf(home);
      const [missing, end] = [await recordValue(home, lost, 'end_wal'), await recordValue(home, waiting, 'end_wal')];
      expect(missing < (await recordValue(home, waiting, 'begin_wal'))).toBe(true);
      const streaming = home.server('main', 'streaming');
      await waitFor('all is received', async () => (await namesIn(streaming)).some((name) => name > end));
      await rm(join(streaming, missing));
      await waitFor('cron has looked at both', async () => {
        await runWell(['cron'], { home });
        const states = (await listBackups(home)).map(({ status }) => status);
        return !states.includes('WAITING_FOR_WALS');
      });
      expect(await statusOf(home, waiting)).toBe('DONE');
      expect(await statusOf(home, lost)).toBe('FAILED');
      const told = await runPgcellar(['check-backup', 'main', lost], { home });
      expect(told).toMatchObject({ exitCode: 1, stderr: expect.stringContaining(missing) as string });
    });
  },
  newest === undefined ? [] : [newest],
);

describeEachPostgres(
  (major) => {
    test('switch-wal closes a segment that holds something, and waits for it when it is asked to', async () => {
      await using cluster = await startCluster({ major });
      await using home = await createTestHome({ servers: { main: streamingServer(cluster) } });
      await startReceiver(home, cluster);
      const current = async () => await cluster.value('SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
      await cluster.query('CREATE TABLE t (i int)');
      const closed = await current();
      expect(await runWell(['switch-wal', 'main'], { home })).toBe(`The WAL file ${closed} has been closed on server 'main'\n`);
      await cluster.query('DROP TABLE t');
      const forced = await current();
      expect(forced > closed).toBe(true);
      {
        await using load = await startWriteLoad(cluster);
        expect(await runWell(['switch-wal', '--force', '--archive', 'main'], { home })).toContain(forced);
        await load.stop();
      }
      expect(await indexedWals(home)).toEqual(segmentsBetween(closed, forced));
      await runWell(['receive-wal', '--stop', 'main'], { home });
      await cluster.query('DROP TABLE load');
      const late = await runPgcellar(['switch-wal', '--archive', '--archive-timeout', '1', 'main'], { home });
      expect(late).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('has not been received') as string });
    });
  },
  newest === undefined ? [] : [newest],
);

describe('WAL on the wire', () => {
  const opened = new Opened();
  const compressions = ['', 'gzip', 'bzip2', 'xz', 'zstd', 'lz4'] as const;
  /** On both sides of the boundary between two log files of segments of 16 MiB. */
  const names = segmentsBetween('0000000100000002000000FE', '000000010000000300000001');
  const contents = new Map(names.map((name) => [name, Buffer.concat([walContent(mebibyte / 2), Buffer.alloc(mebibyte / 2)])]));
  let home: TestHome;

  beforeAll(async () => {
    const servers = Object.fromEntries(compressions.map((compression) => [nameOf(compression), fileServer({ compression })]));
    home = await opened.add(createTestHome({ servers: { ...servers, waiting: fileServer() } }));
    const input = await walTar(contents);
    for (const name of Object.keys(servers)) {
      await runWell(['put-wal', name], { home, input });
      await runWell(['archive-wal', name], { home });
    }
  });
  afterAll(() => opened.close());

  function nameOf(compression: string): string {
    return compression === '' ? 'plain' : compression;
  }

  function fileServer(more: IniSection = {}): IniSection {
    return {
      conninfo: 'host=127.0.0.1 port=1 user=barman dbname=postgres',
      backup_method: 'postgres',
      archiver: 'on',
      ...more,
    };
  }

  /** Standard output as bytes. */
  async function fetch(...words: string[]): Promise<Buffer> {
    const argv = ['-c', home.configFile, 'get-wal', ...words];
    const options = { encoding: 'buffer', env: home.env(), cwd: home.folder, maxBuffer: 64 * mebibyte } as const;
    return (await promisify(execFile)(await programPath(home), argv, options)).stdout;
  }

  async function decompressed(program: string, content: Buffer): Promise<Buffer> {
    const path = join(home.folder, 'to-decompress');
    await writeFile(path, content);
    const shell = `exec "$0" -dc < "$1"`;
    return (await promisify(execFile)('sh', ['-c', shell, program, path], { encoding: 'buffer', maxBuffer: 64 * mebibyte }))
      .stdout;
  }

  describe.each(compressions)('with compression = "%s"', (compression) => {
    const server = nameOf(compression);
    const [wanted = ''] = names;
    const content = contents.get(wanted) ?? Buffer.alloc(0);

    test('the archive holds what the standard program of that name reads', async () => {
      expect(await indexedWals(home, server)).toEqual(names);
      for (const [name, sent] of contents) {
        const stored = await readFile(home.server(server, 'wals', name.slice(0, 16), name));
        const plain = compression === '' ? stored : await decompressed(compression, stored);
        expect(plain.equals(sent)).toBe(true);
      }
    });

    test('get-wal gives it back: plain, compressed in another way, as it is stored, and into a folder', async () => {
      const stored = await readFile(home.server(server, 'wals', wanted.slice(0, 16), wanted));
      expect((await fetch(server, wanted)).equals(content)).toBe(true);
      expect(gunzipSync(await fetch('-z', server, wanted)).equals(content)).toBe(true);
      expect((await decompressed('bzip2', await fetch('-j', server, wanted))).equals(content)).toBe(true);
      expect((await fetch('--keep-compression', server, wanted)).equals(stored)).toBe(true);
      const folder = await home.makeFolder(`from-${server}`);
      await runWell(['get-wal', '-o', folder, server, wanted], { home });
      expect(await readdir(folder)).toEqual([wanted]);
      expect((await readFile(join(folder, wanted))).equals(content)).toBe(true);
    });
  });

  test('get-wal --peek names what is there, across the boundary of log files, up to a gap', async () => {
    const peek = async (count: number, from: string) =>
      (await runWell(['get-wal', '--peek', String(count), 'plain', from], { home })).trimEnd().split('\n');
    expect(await peek(10, names[0] ?? '')).toEqual(names);
    expect(await peek(2, names[1] ?? '')).toEqual(names.slice(1, 3));
    expect(await peek(3, '000000010000000300000007')).toEqual(['']);
  });

  test.each(['sha256', 'md5'] as const)(
    'put-wal takes files with %s sums; they are found before they are archived',
    async (digest) => {
      const name = digest === 'md5' ? '000000010000000000000005' : '000000010000000000000004';
      const content = walContent(mebibyte);
      await runWell(['put-wal', 'waiting'], { home, input: await walTar(new Map([[name, content]]), digest) });
      const path = home.server('waiting', 'incoming', name);
      expect((await readFile(path)).equals(content)).toBe(true);
      expect((await stat(path)).mtimeMs).toBe(1_750_000_000_000);
      expect((await fetch('waiting', name)).equals(content)).toBe(true);
    },
  );

  test('put-wal of the same file again is fine; of another one under its name it is set aside', async () => {
    await using home = await createTestHome({ servers: { main: fileServer() } });
    const name = '000000010000000000000006';
    const [first, other] = [walContent(mebibyte), walContent(mebibyte)];
    const put = async (content: Buffer) =>
      await runWell(['put-wal', 'main'], { home, input: await walTar(new Map([[name, content]])) });
    await put(first);
    await put(first);
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
    await put(other);
    expect(await namesIn(home.server('main', 'errors'))).toEqual([
      expect.stringMatching(new RegExp(`^${name}\\..*\\.duplicate$`)),
    ]);
    expect((await readFile(home.server('main', 'incoming', name))).equals(first)).toBe(true);
    await runWell(['archive-wal', 'main'], { home });
    await put(other);
    await runWell(['archive-wal', 'main'], { home });
    expect(await namesIn(home.server('main', 'errors'))).toHaveLength(2);
    expect(await indexedWals(home)).toEqual([name]);
    expect((await readFile(home.server('main', 'wals', name.slice(0, 16), name))).equals(first)).toBe(true);
  });

  test('put-wal of a damaged file publishes nothing', async () => {
    await using home = await createTestHome({ servers: { main: fileServer() } });
    const input = await walTar(new Map([['000000010000000000000007', Buffer.alloc(mebibyte, 'a')]]));
    input[600] = 0x62; // within the file
    const result = await runPgcellar(['put-wal', 'main'], { home, input });
    expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('does not match') as string });
    expect(await namesIn(home.server('main', 'incoming'))).toEqual([]);
  });

  test('a segment that is still received is only given with -P', async () => {
    const name = '000000010000000000000009';
    const streaming = home.server('waiting', 'streaming');
    await mkdir(streaming, { recursive: true });
    await writeFile(join(streaming, `${name}.partial`), 'half');
    const refused = await runPgcellar(['get-wal', 'waiting', name], { home });
    expect(refused).toMatchObject({ exitCode: 1, stdout: '', stderr: expect.stringContaining('not found') as string });
    expect((await fetch('-P', 'waiting', name)).toString()).toBe('half');
  });

  test('get-wal -o of a damaged file leaves none behind', async () => {
    const [, name = ''] = names;
    await using damaged = await createTestHome({ servers: { main: fileServer({ compression: 'gzip' }) } });
    await runWell(['put-wal', 'main'], {
      home: damaged,
      input: await walTar(new Map([[name, contents.get(name) ?? Buffer.alloc(0)]])),
    });
    await runWell(['archive-wal', 'main'], { home: damaged });
    const path = damaged.server('main', 'wals', name.slice(0, 16), name);
    const stored = await readFile(path);
    await writeFile(path, stored.subarray(0, stored.length / 2));
    const folder = await damaged.makeFolder('out');
    expect((await runPgcellar(['get-wal', '-o', folder, 'main', name], { home: damaged })).exitCode).not.toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });
});
