import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { requireOracle } from '../helpers/installations.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { createTestHome, streamingServer } from '../helpers/test-home.ts';
import { type BenchOptions, type BenchTable, type Contender, measureInTurn } from './measure.ts';
import { PgBackRest } from './pgbackrest.ts';

const rowCount = 1_450_000;

/** A plain base backup of 1.5 GB by the `postgres` method, beside `pg_basebackup` alone, the real Barman, and pgBackRest where it is. */
export async function measureStreamingBackup({ runs }: Pick<BenchOptions, 'runs'>): Promise<BenchTable> {
  await using cluster = await startCluster({ major: 15, settings: { max_wal_size: '8GB', autovacuum: false } });
  await cluster.query(
    `CREATE TABLE filler AS SELECT i, repeat(md5(i::text), 32) AS text FROM generate_series(1, ${String(rowCount)}) i`,
  );
  await cluster.query('CHECKPOINT');
  await using home = await createTestHome({
    servers: { main: streamingServer(cluster, { immediate_checkpoint: true }) },
    global: { compression: '', log_level: 'INFO' },
  });
  await startReceiver(home, cluster);
  const raw = join(home.folder, 'raw');
  const { env = {} } = settingsOf({ home, postgres: 15 });
  const prepare = async (): Promise<void> => {
    for (const folder of [raw, home.server('main', 'base'), home.server('main', 'meta')]) {
      await rm(folder, { recursive: true, force: true });
    }
    for (const folder of ['base', 'meta']) await mkdir(home.server('main', folder));
    // the first backup removes what was archived before it, and Barman refuses to begin with an empty archive
    await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
    await runProgram(['sync'], settingsOf({ home }));
  };
  const pgBackRest = await PgBackRest.find(cluster, home.folder);
  const contender = (argv: readonly string[], more: Partial<Contender> = {}): Contender => ({
    prepare,
    work: async (meter) => {
      await meter.run({ argv, env });
    },
    ...more,
  });
  const size = Number(await cluster.value('SELECT sum(pg_tablespace_size(oid)) FROM pg_tablespace'));
  const connection = `--dbname=${cluster.conninfo({ user: 'streaming_barman' })}`;
  const words = ['backup', 'main'];
  return await measureInTurn(
    { title: `backup of ${(size / 1e9).toFixed(2)} GB, postgres method, plain`, opponent: 'pg_basebackup', runs },
    {
      pg_basebackup: contender([
        join(cluster.clientsDir, 'pg_basebackup'),
        connection,
        '--no-slot',
        '--wal-method=none',
        '--checkpoint=fast',
        `--pgdata=${raw}`,
      ]),
      pgcellar: contender([await programPath(home), '-c', home.configFile, ...words], {
        target: { atMost: 1.1, timesThatOf: 'pg_basebackup', plusMs: 500 },
      }),
      Barman: contender([requireOracle().program, '-c', home.configFile, ...words]),
      ...(pgBackRest === undefined ? {} : { pgBackRest: contender(pgBackRest.backUp(cluster.dataDir)) }),
    },
  );
}
