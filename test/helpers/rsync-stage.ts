// A cluster with two tablespaces, an sshd, and a home whose server is backed up by rsync: what the tests of file-level backups share.
import { join } from 'node:path';
import type { Opened } from './opened.ts';
import type { PostgresServer, Settings } from './postgres-server.ts';
import { runProgram } from './run-program.ts';
import { runWell } from './run-well.ts';
import { startCluster } from './start-cluster.ts';
import { startReceiver } from './start-receiver.ts';
import { type Sshd, startSshd } from './start-sshd.ts';
import { createTemporaryFolder, type TemporaryFolder } from './temporary-folder.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from './test-home.ts';

export interface RsyncStage {
  readonly cluster: PostgresServer;
  readonly home: TestHome;
  readonly sshd: Sshd;
  /** Names to folders; the second has blanks and letters beyond ASCII in both. */
  readonly tablespaces: Readonly<Record<string, string>>;
}

/** Everything a client can see of the content, as one checksum for each table. */
export const rowChecksums = `SELECT 'near' AS name, count(*)::text || md5(string_agg(n::text || t, ',' ORDER BY n)) AS sum FROM near
UNION ALL SELECT 'far', count(*)::text || md5(string_agg(n::text || t, ',' ORDER BY n)) FROM far
UNION ALL SELECT 'möbel', count(*)::text || md5(string_agg(n::text || t, ',' ORDER BY n)) FROM "möbel und mehr" ORDER BY name`;

export async function setRsyncStage(major: number, opened: Opened, settings: Settings = {}): Promise<RsyncStage> {
  const cluster = await opened.add(startCluster({ major, settings }));
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
  await configureRsync(stage);
  await startReceiver(home, cluster);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  return stage;
}

export async function configureRsync({ home, cluster, sshd }: RsyncStage, more: IniSection = {}): Promise<void> {
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

export async function backUpByRsync({ home }: RsyncStage, words: readonly string[] = []): Promise<string> {
  const text = await runWell(['-f', 'json', 'backup', '--wait', ...words, 'main'], { home });
  return (JSON.parse(text) as { backup_id: string }).backup_id; // the shape of docs/reference/cli.md section 8.1
}

interface RestorePlaces {
  /** The data folder. */
  readonly data: string;
  /** Options of `restore` that say where the tablespaces go. */
  readonly moved: readonly string[];
  /** Where they go. */
  readonly tablespaces: readonly string[];
}

/** Where the cluster of the stage is restored to, in a folder of the test. */
export function restorePlaces({ tablespaces }: RsyncStage, { path }: TemporaryFolder): RestorePlaces {
  const places = Object.keys(tablespaces).map((name, index) => ({ name, place: join(path, `ts${String(index)}`) }));
  return {
    data: join(path, 'data'),
    moved: places.flatMap(({ name, place }) => ['--tablespace', `${name}:${place}`]),
    tablespaces: places.map(({ place }) => place),
  };
}
