// Clusters that their group may read (`initdb -g`): every way to unpack keeps that, and the restored server goes on with it.
import { chown, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPostgres, requirePostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { serverUser } from '../machine/server-user.mjs';

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let cluster: PostgresServer;
    let home: TestHome;
    let folder: TemporaryFolder;
    let sshd: Sshd;
    let full: string;
    let incremental: string;

    beforeAll(async () => {
      const initdbArgs = ['--allow-group-access', '--wal-segsize=1'];
      cluster = await opened.add(startCluster({ major, settings: { summarize_wal: true }, initdbArgs }));
      const options = { immediate_checkpoint: true, backup_compression: 'gzip' };
      home = await opened.add(createTestHome({ servers: { main: streamingServer(cluster, options) } }));
      folder = await opened.add(createTemporaryFolder('mo', { owner: 'server' }));
      sshd = await opened.add(
        startSshd({ programs: { pg_combinebackup: join(requirePostgres(major).clientsDir, 'pg_combinebackup') } }),
      );
      await startReceiver(home, cluster);
      await cluster.query('CREATE TABLE rows AS SELECT i FROM generate_series(1, 5000) i');
      full = await backUp();
      await cluster.query('INSERT INTO rows SELECT i FROM generate_series(5001, 6000) i');
      incremental = await backUp('--incremental', full);
    });
    afterAll(() => opened.close());

    async function backUp(...words: string[]): Promise<string> {
      await runWell(['backup', '--wait', ...words, 'main'], { home });
      return (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n')[0] ?? '';
    }

    async function expectStarts(dataDir: string): Promise<void> {
      const modes = await Promise.all(
        ['', 'base', 'base/1', 'global', 'pg_wal', 'pg_wal/archive_status', 'pg_tblspc'].map(async (name) => {
          const { mode } = await stat(join(dataDir, name));
          return [name, (mode & 0o777).toString(8)] as const;
        }),
      );
      expect(Object.fromEntries(modes)).toEqual(Object.fromEntries(modes.map(([name]) => [name, '750'])));
      await using server = await startRestored({ dataDir, major, allowsGroup: true });
      expect(await server.value('SHOW data_directory_mode')).toBe('0750');
      expect(await server.value('SELECT count(*) FROM rows')).toBe('6000');
    }

    test('a tar backup is restored with them, and again after rm -rf FOLDER/*', async () => {
      const dataDir = join(folder.path, 'packed');
      await mkdir(dataDir);
      const { uid, gid } = serverUser() ?? (await stat(folder.path));
      await chown(dataDir, uid, gid);
      const words = ['restore', 'main', full, dataDir];
      await runWell(words, { home });
      await expectStarts(dataDir);
      expect(await runProgram(['sh', '-c', 'rm -rf "$1"/*', 'sh', dataDir])).toMatchObject({ exitCode: 0 });
      expect(await readdir(dataDir)).toEqual(['.barman-recover.info']);
      await runWell(words, { home });
      await expectStarts(dataDir);
      await rm(dataDir, { recursive: true });
    });

    test('a plain backup is restored with them', async () => {
      await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true }));
      const plain = await backUp();
      const data = join(folder.path, 'plain');
      await runWell(['restore', 'main', plain, data], { home });
      await expectStarts(data);
    });

    test('an incremental chain of tar backups is combined with them', async () => {
      const dataDir = join(folder.path, 'combined');
      await runWell(['restore', '--staging-path', folder.path, 'main', incremental, dataDir], { home });
      await expectStarts(dataDir);
    });

    test.each([
      { what: 'a tar backup is', id: () => full, name: 'full-there' },
      { what: 'a chain of them is', id: () => incremental, name: 'chain-there' },
    ])('$what unpacked with them on another host', async ({ id, name }) => {
      const dataDir = join(folder.path, name);
      const there = ['--staging-location', 'remote', '--staging-path', folder.path, '--remote-ssh-command', sshd.sshCommand];
      await runWell(['restore', ...there, 'main', id(), dataDir], { home });
      await expectStarts(dataDir);
    });
  },
  [18],
);
