// A real server that archives with our helper, under Barman's name and with segments sent ahead, to the real Barman and to ours.
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedWals, indexedWals, namesIn, segmentsBetween } from '../helpers/archived-wals.ts';
import { describeWithOracle, requireOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { programPath, runPgcellar } from '../helpers/run-pgcellar.ts';
import type { Whose } from '../helpers/ship-site.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const jobs = 4;

/** Sets `archive_command`; `false` as a command lets segments wait. */
async function setCommand(cluster: PostgresServer, command: string): Promise<void> {
  await cluster.query(`ALTER SYSTEM SET archive_command = '${command}'`);
  cluster.reload();
  await waitFor('the setting is read', async () => (await cluster.value('SHOW archive_command')) === command);
}

/** Closes `count` segments with something in each; gives the name of the last. */
async function closeSegments(cluster: PostgresServer, count: number): Promise<string> {
  let last = '';
  for (let number = 0; number < count; number++) {
    await cluster.query('CREATE TABLE IF NOT EXISTS filled (id int); INSERT INTO filled SELECT generate_series(1, 20000)');
    last = await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
  }
  return last;
}

/** An `ssh` for the server's user that knows the way to `sshd`, and notes each call in `calls`, with the process that made it. */
async function writeSsh(folder: TemporaryFolder, words: string): Promise<void> {
  const script = `#!/bin/sh\necho "$PPID $*" >> '${folder.path}/calls'\nexec /usr/bin/${words} "$@"\n`;
  await writeFile(join(folder.path, 'ssh'), script);
  await chmod(join(folder.path, 'ssh'), 0o755);
}

describeWithOracle('a server with segments that wait', () => {
  const opened = new Opened();
  let cluster: PostgresServer;

  beforeAll(async () => {
    const settings = { archive_mode: 'on', archive_command: 'false', wal_keep_size: '1GB' };
    cluster = await opened.add(startCluster({ major: 17, settings }));
  });
  afterAll(() => opened.close());

  const archivedLast = async (name: string): Promise<boolean> => {
    return (
      (await cluster.query('SELECT 1 FROM pg_stat_archiver WHERE last_archived_wal >= $1', { parameters: [name] })).length > 0
    );
  };

  const expectAsWritten = async (home: TestHome): Promise<void> => {
    const indexed = await indexedWals(home);
    expect(indexed).toEqual(segmentsBetween(indexed[0] ?? '', indexed.at(-1) ?? ''));
    expect(await archivedWals(home)).toEqual(indexed);
    for (const name of indexed) {
      const stored = await readFile(home.server('main', 'wals', name.slice(0, 16), name));
      expect(stored.equals(await readFile(join(cluster.dataDir, 'pg_wal', name)))).toBe(true);
    }
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
  };

  test.each<{ remote: Whose }>([{ remote: 'real Barman' }, { remote: 'ours' }])(
    'sends several of them with one call of barman-wal-archive -p to $remote, and none of them twice',
    async ({ remote }) => {
      const main = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
      await using home = await createTestHome({ servers: { main } });
      const barman = remote === 'ours' ? await programPath(home, 'barman') : requireOracle().program;
      await using sshd = await startSshd({
        client: 'server',
        programs: { barman },
        env: { BARMAN_CONFIG_FILE: home.configFile },
      });
      await using folder = await createTemporaryFolder('ac', { owner: 'server' });
      await writeSsh(folder, sshd.ssh);
      const helper = await programPath(home, 'barman-wal-archive');
      await setCommand(cluster, 'false');
      await closeSegments(cluster, 2 * jobs);

      const options = `-p ${String(jobs)} --prefetch-cache-dir ${folder.path}/cache -U ${sshd.user}`;
      await setCommand(cluster, `PATH=${folder.path}:$PATH ${helper} ${options} 127.0.0.1 main %p`);
      const last = await closeSegments(cluster, 1);
      await waitFor('all are archived', async () => await archivedLast(last), {
        timeoutMs: 120_000,
        explain: () => cluster.log(),
      });
      await setCommand(cluster, 'false');

      const incoming = await namesIn(home.server('main', 'incoming'));
      expect(incoming).toEqual(segmentsBetween(incoming[0] ?? '', last));
      expect(incoming.length).toBeGreaterThan(2 * jobs);
      const calls = (await readFile(join(folder.path, 'calls'), 'utf8')).trim().split('\n');
      const puts = calls.filter((call) => call.includes('put-wal'));
      expect(puts.length).toBe(incoming.length);
      expect(new Set(puts.map((call) => call.split(' ')[0])).size).toBe(Math.ceil(incoming.length / jobs));
      const archive = await (remote === 'ours' ? runPgcellar : runOracle)(['archive-wal', 'main'], { home });
      expect(archive.exitCode).toBe(0);
      expect(await indexedWals(home)).toEqual(incoming);
      await expectAsWritten(home);
    },
  );
});
