// What lies in a home: ours beside the real Barman's, file by file, and a home of an older release that we and 3.20.1 go on with.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { xlogdbPath } from '../../src/catalog/server-layout.ts';
import { comparableAnswer } from '../helpers/comparable-answer.ts';
import { describeWithOracle } from '../helpers/installations.ts';
import { layoutOf } from '../helpers/layout-of.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

describeWithOracle('beside the real Barman', () => {
  const opened = new Opened();
  let cluster: PostgresServer;
  let [ours, theirs, older]: TestHome[] = [];
  const homes = (): TestHome[] => [ours, theirs, older].filter((home) => home !== undefined);

  /** As us, as Barman 3.20.1, and as 3.13.3. */
  const byUs = (...words: string[]) => runPgcellar(words, { home: homes()[0] as TestHome, as: 'barman' });
  const byBarman = (...words: string[]) => runOracle(words, { home: homes()[1] as TestHome });
  const byOlder = (...words: string[]) => runOracle(words, { home: homes()[2] as TestHome, release: 'older' });

  beforeAll(async () => {
    cluster = await opened.add(startCluster({ major: 17, settings: { archive_mode: 'on', archive_command: 'true' } }));
    for (let count = 0; count < 3; count++) await opened.add(createTestHome({ global: { compression: '' } }).then(keep));
    const copies = homes().map(
      (home) => `cp %p ${incomingOf(home)}/%f.tmp && mv ${incomingOf(home)}/%f.tmp ${incomingOf(home)}/%f`,
    );
    for (const home of homes()) {
      await mkdir(incomingOf(home), { recursive: true });
      await chmod(incomingOf(home), 0o777);
      const manually = {
        streaming_archiver: 'off',
        archiver: 'on',
        create_slot: 'manual',
        immediate_checkpoint: true,
      } as const;
      const server = { ...streamingServer(cluster, manually), slot_name: 'unused' };
      await home.writeServer('main', home === homes()[2] ? server : { ...server, backup_compression: 'gzip' });
    }
    await cluster.query(`ALTER SYSTEM SET archive_command = '${copies.join(' && ')}'`);
    cluster.reload();
    for (const run of [byUs, byBarman, byOlder]) await aDay(run);
    for (const run of [byUs, byBarman, byOlder]) expect(await run('archive-wal', 'main')).toMatchObject({ exitCode: 0 });
  });
  afterAll(() => opened.close());

  function keep(home: TestHome): TestHome {
    if (ours === undefined) ours = home;
    else if (theirs === undefined) theirs = home;
    else older = home;
    return home;
  }

  async function aDay(run: (...words: string[]) => Promise<ProgramResult>): Promise<void> {
    const well = async (...words: string[]): Promise<void> => {
      const result = await run(...words);
      expect(result.exitCode, `${words.join(' ')}: ${result.stdout}${result.stderr}`).toBe(0);
    };
    await closeSegment();
    await well('archive-wal', 'main');
    await well('backup', '--name', 'alike', 'main');
    await closeSegment();
    await well('archive-wal', 'main');
    await well('check-backup', 'main', 'latest');
    await well('keep', '--target', 'full', 'main', 'alike');
  }

  async function closeSegment(): Promise<void> {
    await cluster.query("SELECT pg_logical_emit_message(true, 'test', '')");
    const name = await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
    for (const home of homes()) await waitFor(`${name} arrives`, () => existsSync(join(incomingOf(home), name)));
  }

  const filesOf = async (home: TestHome): Promise<string[]> => {
    const entries = await readdir(home.path, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => !entry.isDirectory())
      .map(({ parentPath, name }) => join(parentPath, name).slice(home.path.length + 1))
      .filter((path) => !path.includes('/.pgcellar/') && !/\/base\/[^/]+\/backup\.info$|\/(?:wals|incoming)\//.test(path))
      .map((path) => path.replaceAll(/\d{8}T\d{6}/g, 'ID'))
      .toSorted();
  };

  test('a home has the same files after the same day, locks and annotations among them', async () => {
    const [mine, real] = await Promise.all([filesOf(homes()[0] as TestHome), filesOf(homes()[1] as TestHome)]);
    expect(mine).toEqual(real);
    expect(mine).toEqual(
      expect.arrayContaining(['.main-archive-wal.lock', '.main-backup.lock', 'main/base/ID/data/base.tar.gz']),
    );
  });

  test('lock files hold the number of a process and a line end', async () => {
    for (const home of homes()) {
      const locks = (await readdir(home.path)).filter((name) => name.endsWith('.lock'));
      for (const name of locks) expect(await readFile(join(home.path, name), 'utf8'), name).toMatch(/^(?:\d+\n)?$/);
    }
  });

  test('identity.json and the annotation of keep are the same, byte for byte', async () => {
    const texts = homes().map(async (home) => {
      const [id = ''] = await readdir(home.server('main', 'base'));
      const kept = home.server('main', 'meta', `${id}-keep`);
      return [await readFile(home.server('main', 'identity.json'), 'utf8'), await readFile(kept, 'utf8')];
    });
    const [mine, real, before] = await Promise.all(texts);
    expect(mine).toEqual(real);
    expect(mine).toEqual(before);
  });

  test('lines of the WAL index are written alike', async () => {
    const linesOf = async (home: TestHome): Promise<Map<string, string>> => {
      const text = await readFile(xlogdbPath(layoutOf(home, 'main')), 'utf8');
      const lines = text.split('\n').slice(0, -1);
      // when a file came, the fifth column, which we write for encrypted files only, and what each has of its own backups
      return new Map(
        lines.map((line) => [
          line.split('\t')[0] ?? '',
          line.replace(/\t\d+\.\d+\t/, '\tTIME\t').replace(/^((?:[^\t]*\t){3}[^\t]*)\tNone$/, '$1'),
        ]),
      );
    };
    const [mine, real] = [await linesOf(homes()[0] as TestHome), await linesOf(homes()[1] as TestHome)];
    const both = [...mine.keys()].filter((name) => real.has(name));
    expect(both.length).toBeGreaterThan(2);
    for (const name of both) expect(mine.get(name)).toBe(real.get(name));
  });

  test('WAL that is there and cannot be read ends with 200 by us, also under the name barman, and with 1 by Barman', async () => {
    const home = homes()[1] as TestHome;
    const name = '0000000100000000000000F0';
    await writeFile(
      join(home.server('main', 'wals'), name.slice(0, 16), name),
      gzipSync(randomBytes(1 << 20)).subarray(0, 40_000),
    );
    await expect(byBarman('rebuild-xlogdb', 'main')).resolves.toMatchObject({ exitCode: 0 });
    expect(await byBarman('get-wal', 'main', name)).toMatchObject({ exitCode: 1, stdout: '' });
    expect(await runPgcellar(['get-wal', 'main', name], { home, as: 'barman' })).toMatchObject({ exitCode: 200 });
  });

  test.each([
    'list-backups main',
    'show-backup main alike',
    'status main',
    'list-files --target standalone main alike',
    'check main',
    'keep --status main alike',
    '-f json list-backups main',
    '-f json show-backup main alike',
  ])('a home of 3.13.3 is told as 3.20.1 tells it: %s', async (line) => {
    const home = homes()[2] as TestHome;
    const [mine, real] = await Promise.all([
      runPgcellar(line.split(' '), { home, as: 'barman' }),
      runOracle(line.split(' '), { home }),
    ]);
    expect(comparableAnswer(mine)).toEqual(comparableAnswer(real));
    expect(mine.exitCode).toBe(line === 'check main' ? mine.exitCode : 0);
  });

  test('3.13.3 and 3.20.1 go on with a home that we went on with', async () => {
    const home = homes()[2] as TestHome;
    const well = async (words: string[]): Promise<void> => {
      const { exitCode, stdout, stderr } = await runPgcellar(words, { home });
      expect(exitCode, `${words.join(' ')}: ${stdout}${stderr}`).toBe(0);
    };
    await well(['backup', '--name', 'ours', 'main']);
    await closeSegment();
    await well(['archive-wal', 'main']);
    await well(['check-backup', 'main', 'ours']);
    await well(['keep', '--release', 'main', 'alike']);
    await well(['delete', 'main', 'alike']);
    for (const release of ['older', 'newest'] as const) {
      const { exitCode, stdout, stderr } = await runOracle(['list-backups', 'main'], { home, release });
      expect(exitCode, stderr).toBe(0);
      expect(stdout).toMatch(/^main \d{8}T\d{6} 'ours' - /);
      expect(stdout.trim().split('\n')).toHaveLength(1);
      expect(await runOracle(['show-backup', 'main', 'ours'], { home, release })).toMatchObject({ exitCode: 0 });
      await closeSegment();
      expect(await runOracle(['archive-wal', 'main'], { home, release })).toMatchObject({ exitCode: 0 });
    }
  });
});

function incomingOf(home: TestHome): string {
  return home.server('main', 'incoming');
}
