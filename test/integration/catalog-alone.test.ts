// Each server, each record and each file stands alone: what is odd about one is told, and the others do their work. And what a command
// made in the catalog is on disk when it ends.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedWals, namesIn } from '../helpers/archived-wals.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, type IniSection, type TestHome } from '../helpers/test-home.ts';

const oddName = Buffer.from([0xff, 0xfe]); // no UTF-8
const servers = ['first', 'main', 'third'] as const;
const preload = fileURLToPath(new URL('../helpers/note-changes.cjs', import.meta.url));

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let home: TestHome;
    let cluster: PostgresServer;

    beforeAll(async () => {
      home = await opened.add(createTestHome({ owner: 'server' }));
      await home.writeFile('note-changes.cjs', await readFile(preload, 'utf8'));
      for (const name of servers) await mkdir(home.server(name, 'incoming'), { recursive: true });
      await home.own(home.path);
      const copies = servers.map((name) => `cp %p ${home.server(name, 'incoming')}/%f`).join(' && ');
      cluster = await opened.add(startCluster({ major, settings: { archive_mode: 'on', archive_command: copies } }));
      for (const name of servers) await home.writeServer(name, options());
    }, 120_000);
    afterAll(async () => opened.close());

    const options = (more: IniSection = {}): IniSection => ({
      conninfo: cluster.conninfo({ user: 'barman' }),
      streaming_conninfo: cluster.conninfo({ user: 'streaming_barman' }),
      path_prefix: cluster.clientsDir,
      backup_method: 'postgres',
      archiver: 'on',
      immediate_checkpoint: 'on',
      ...more,
    });

    const listed = async (server = 'main'): Promise<string[]> =>
      (await runWell(['list-backups', '--minimal', server], { home })).split('\n').filter((id) => id !== '');

    /** Runs a command; gives what it did to the file system. */
    async function changesOf(words: readonly string[]): Promise<readonly (readonly string[])[]> {
      const notes = join(home.folder, 'notes');
      await home.writeFile('notes', '');
      const env = { NODE_OPTIONS: `--require ${join(home.folder, 'note-changes.cjs')}`, NOTES: notes };
      await runWell(words, { home, env });
      const lines = (await readFile(notes, 'utf8')).trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line) as string[]);
    }

    /** Which of the paths a command gave a name that a power cut could take away. */
    function lostByPowerCut(paths: readonly string[], changes: readonly (readonly string[])[]): readonly string[] {
      return paths.filter((path) => {
        const named = changes.findLastIndex(([what, at, to]) => (what === 'make' && at === path) || to === path);
        const synced = changes.findLastIndex(([what, at]) => what === 'sync' && at === dirname(path));
        return named === -1 || synced < named;
      });
    }

    test("a server's first backup is on disk with every folder above it", async () => {
      const changes = await changesOf(['backup', '--wait', 'main']);
      const [id = ''] = await listed();
      const [hash = ''] = (await readdir(home.server('main', 'wals'))).filter((name) => /^[0-9A-F]{16}$/.test(name));
      const made = ['base', `base/${id}`, 'meta', `meta/${id}-backup.info`, 'wals', `wals/${hash}`];
      expect(
        lostByPowerCut(
          made.map((name) => home.server('main', name)),
          changes,
        ),
      ).toEqual([]);
    });

    test('an imported backup is on disk with every folder above it', async () => {
      const [id = ''] = await listed();
      const folder = await home.makeFolder('exported');
      await runWell(['export-backup', 'main', id, folder], { home });
      const [exported = ''] = await readdir(folder);
      for (const name of await readdir(home.server('main'))) {
        if (['incoming', 'identity.json'].includes(name)) continue; // archive_command goes on; which cluster it is stays known
        await rm(home.server('main', name), { recursive: true });
      }
      const changes = await changesOf(['import-backup', 'main', join(folder, exported)]);
      const [hash = ''] = (await readdir(home.server('main', 'wals'))).filter((name) => /^[0-9A-F]{16}$/.test(name));
      const made = ['base', `base/${id}`, 'meta', `meta/${id}-backup.info`, 'wals', `wals/${hash}`];
      expect(
        lostByPowerCut(
          made.map((name) => home.server('main', name)),
          changes,
        ),
      ).toEqual([]);
    });

    test('the folder of refused WAL is on disk before the file goes from where it came in', async () => {
      const [name = ''] = (await archivedWals(home)).filter((file) => /^[0-9A-F]{24}$/.test(file));
      const other = await readFile(home.server('main', 'wals', name.slice(0, 16), name));
      other[8192] = (other[8192] ?? 0) ^ 255; // another content under a name that is taken
      await writeFile(home.server('main', 'incoming', name), other);
      await home.own(home.server('main', 'incoming'));
      await rm(home.server('main', 'errors'), { recursive: true, force: true });
      const changes = await changesOf(['archive-wal', 'main']);
      expect(await namesIn(home.server('main', 'errors'))).toHaveLength(1);
      expect(lostByPowerCut([home.server('main', 'errors')], changes)).toEqual([]);
      await rm(home.server('main', 'errors'), { recursive: true });
    });

    test('a server that cannot be backed up does not keep the others from it, nor does a file with an odd name', async () => {
      const places = ['incoming', 'streaming', 'wals', 'meta', 'base', '.'];
      for (const place of places) {
        await mkdir(home.server('first', place), { recursive: true });
        await writeFile(Buffer.concat([Buffer.from(`${home.server('first', place)}/`), oddName]), 'what is this');
      }
      await home.own(home.server('first'));
      await home.writeServer('a-broken-one', options({ conninfo: 'host=127.0.0.1 port=1 connect_timeout=2' }));
      const before = await Promise.all(servers.map(async (name) => (await listed(name)).length));
      const { exitCode, stdout, stderr } = await runPgcellar(['backup', '--wait', 'all'], { home });
      expect(`${stdout}${stderr}`).not.toContain('EXCEPTION');
      const after = await Promise.all(servers.map(async (name) => (await listed(name)).length));
      expect(after).toEqual(before.map((count) => count + 1));
      expect(exitCode).toBe(1);
      const refused = await readdir(Buffer.from(home.server('first', 'errors')), { encoding: 'buffer' });
      expect(refused.map((name) => name.subarray(0, 2))).toEqual([oddName]);
      await home.removeServer('a-broken-one');
      for (const words of [
        ['check', 'all'],
        ['status', 'all'],
        ['list-backups', 'all'],
        ['rebuild-xlogdb', 'first'],
        ['diagnose'],
        ['cron'],
      ]) {
        const looked = await runPgcellar(words, { home });
        expect(`${looked.stdout}${looked.stderr}`).not.toContain('EXCEPTION');
      }
    });

    test('a key of another program in the record of a failed backup harms neither a backup by rsync nor a deletion, and is kept', async () => {
      await home.writeServer('main', options({ backup_method: 'local-rsync', reuse_backup: 'link' }));
      const old = '20200101T000000';
      const [id = ''] = await listed();
      const record = await readFile(home.server('main', 'meta', `${id}-backup.info`), 'utf8');
      const path = home.server('main', 'meta', `${old}-backup.info`);
      await writeFile(path, `${record.replaceAll(id, old).replace('status=DONE', 'status=FAILED')}gp_dbid=3\n`);
      await home.own(path);
      await runWell(['backup', '--wait', 'main'], { home });
      expect(await readFile(path, 'utf8')).toContain('gp_dbid=3\n');
      const [newest = ''] = await listed();
      const theirs = home.server('main', 'meta', `${newest}-backup.info`);
      await writeFile(theirs, `${await readFile(theirs, 'utf8')}gp_dbid=4\n`);
      await runWell(['keep', '--target', 'full', 'main', newest], { home }); // and what rewrites the record keeps it
      expect(await readFile(theirs, 'utf8')).toContain('gp_dbid=4\n');
      await runWell(['delete', 'main', old], { home });
      expect(await namesIn(home.server('main', 'meta'))).not.toContain(`${old}-backup.info`);
      await home.writeServer('main', options());
    });

    test.each(['FFFFFFFFFFFFFFFFFFFFFFFF', '00000001FFFFFFFF000000FF'])(
      'a record whose end is at %s is told as broken immediately, and the other backups are listed',
      async (endWal) => {
        const [id = '', ...others] = await listed();
        expect(others).not.toEqual([]);
        const path = home.server('main', 'meta', `${id}-backup.info`);
        const text = await readFile(path, 'utf8');
        await writeFile(path, text.replace(/^end_wal=.*$/m, `end_wal=${endWal}`));
        try {
          for (const words of [
            ['list-files', 'main', id],
            ['restore', '--dry-run', 'main', id, join(home.folder, 'nowhere')],
            ['check-backup', 'main', id],
          ]) {
            const { exitCode, stderr } = await runPgcellar(words, { home, timeoutMs: 60_000 });
            expect(stderr).toMatch(/ERROR: .*end_wal/);
            expect(exitCode).toBe(1);
          }
          const { stdout } = await runPgcellar(['list-backups', '--minimal', 'main'], { home });
          expect(stdout.trim().split('\n')).toEqual(others);
        } finally {
          await writeFile(path, text);
        }
      },
    );
  },
  [18],
);
