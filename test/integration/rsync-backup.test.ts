// File-level backups by rsync: over ssh and on this host, on every PostgreSQL, with tablespaces; restored, started, compared.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeEachPostgres, requirePostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';

interface Stage {
  readonly cluster: PostgresServer;
  readonly home: TestHome;
  readonly sshd: Sshd;
  /** Names to folders; the second has blanks and letters beyond ASCII in both. */
  readonly tablespaces: Readonly<Record<string, string>>;
}

/** Everything a client can see of the content, as one checksum for each table. */
const checksums = `SELECT 'near' AS name, count(*)::text || md5(string_agg(n::text || t, ',' ORDER BY n)) AS sum FROM near
UNION ALL SELECT 'far', count(*)::text || md5(string_agg(n::text || t, ',' ORDER BY n)) FROM far
UNION ALL SELECT 'möbel', count(*)::text || md5(string_agg(n::text || t, ',' ORDER BY n)) FROM "möbel und mehr" ORDER BY name`;

async function setStage(major: number, opened: Opened): Promise<Stage> {
  const cluster = await opened.add(startCluster({ major }));
  const sshd = await opened.add(startSshd());
  const folders = await Promise.all(
    ['ts', 'ts', 'ts'].map(async (prefix) => await opened.add(createTemporaryFolder(prefix, { owner: 'server' }))),
  );
  const odd = join(folders[1]?.path ?? '', 'Büro & [co] $1');
  await runProgram(['install', '-d', '-o', 'postgres', '-m', '700', odd]);
  const tablespaces = { fast: folders[0]?.path ?? '', 'Büro 2': odd };
  for (const [name, location] of Object.entries(tablespaces))
    await cluster.query(`CREATE TABLESPACE "${name}" LOCATION '${location}'`);
  await cluster.query(`CREATE TABLE near AS SELECT n, md5(n::text) AS t FROM generate_series(1, 20000) n`);
  await cluster.query(`CREATE TABLE far TABLESPACE fast AS SELECT n, md5(n::text) AS t FROM generate_series(1, 5000) n`);
  await cluster.query(
    `CREATE TABLE "möbel und mehr" TABLESPACE "Büro 2" AS SELECT n, md5(n::text) AS t FROM generate_series(1, 5000) n`,
  );
  await cluster.query('CREATE INDEX ON near (t)');
  const home = await opened.add(createTestHome());
  const stage = { cluster, home, sshd, tablespaces };
  await configure(stage);
  await startReceiver(home, cluster);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  return stage;
}

async function configure({ home, cluster, sshd }: Stage, more: IniSection = {}): Promise<void> {
  const isLocal = more['backup_method'] === 'local-rsync';
  await home.writeServer(
    'main',
    streamingServer(cluster, {
      backup_method: 'rsync',
      backup_options: 'concurrent_backup',
      immediate_checkpoint: true,
      ...(isLocal ? {} : { ssh_command: sshd.sshCommand }),
      ...more,
    }),
  );
}

async function backUp({ home }: Stage, words: readonly string[] = []): Promise<string> {
  const text = await runWell(['-f', 'json', 'backup', '--wait', ...words, 'main'], { home });
  return (JSON.parse(text) as { backup_id: string }).backup_id; // the shape of cli.md section 8.1
}

describe('rsync and local-rsync', () => {
  describeEachPostgres(
    (major) => {
      const opened = new Opened();
      let stage: Stage;
      beforeAll(async () => {
        stage = await setStage(major, opened);
      });
      afterAll(async () => opened.close());

      test.each(['rsync', 'local-rsync'])('a backup by %s is restored, started, and has all its rows', async (method) => {
        await configure(stage, { backup_method: method });
        const { home, cluster } = stage;
        const id = await backUp(stage);
        await using folder = await createTemporaryFolder('rs', { owner: 'server' });
        const places = Object.keys(stage.tablespaces).map((name, index) => ({
          name,
          path: join(folder.path, `ts${String(index)}`),
        }));
        const moved = places.flatMap(({ name, path }) => ['--tablespace', `${name}:${path}`]);
        const data = join(folder.path, 'data');
        await runWell(['restore', ...moved, 'main', id, data], { home });
        await using restored = await startRestored({
          dataDir: data,
          tablespaces: places.map(({ path }) => path),
          major,
          wait: 'promoted',
        });
        expect(await restored.query(checksums)).toEqual(await cluster.query(checksums));
        await expectSound(restored, major);
      });
    },
    [13, 14, 15, 16, 17, 18],
  );
});

/** pg_amcheck came with 14; its extension may not lie with the servers that are one program alone. */
async function expectSound(server: PostgresServer, major: number): Promise<void> {
  const program = join(requirePostgres(major).clientsDir, 'pg_amcheck');
  const available = await server.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'");
  if (major < 14 || available === '0') return;
  await server.query('CREATE EXTENSION amcheck');
  const where = server
    .conninfo({ user: 'barman' })
    .split(' ')
    .map((pair) => pair.split('='));
  const [, host = '', , port = ''] = where.flat();
  const result = await runProgram([program, '--heapallindexed', '-h', host, '-p', port, '-U', 'barman', 'postgres']);
  expect(result).toEqual({ exitCode: 0, signal: undefined, stdout: '', stderr: '' });
}
