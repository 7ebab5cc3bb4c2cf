import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { requireOlderBarman, requireOracle } from '../helpers/installations.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome } from '../helpers/test-home.ts';
import { writeCatalog, writtenBackups } from '../helpers/write-catalog.ts';
import { type Bench, type BenchOptions, type BenchTable, type Contender, measureInTurn } from './measure.ts';
import { PgBackRest } from './pgbackrest.ts';

/** Relations of a database: some large, many small. */
const largeFiles = 14;
const largeBytes = 105 * 1024 * 1024;
const smallFiles = 1000;
const smallBytes = 24 * 1024;

/** Restores of a plain backup on this host, beside `cp -a`, the real Barman, and pgBackRest where it is. */
export const restoreBench: Bench = {
  name: 'restore',
  run: async (options) => [await measureLocalRestore(options)],
};

async function measureLocalRestore({ runs }: Pick<BenchOptions, 'runs'>): Promise<BenchTable> {
  const server = { conninfo: 'host=127.0.0.1 port=1', archiver: 'on', backup_method: 'postgres' };
  await using home = await createTestHome({ servers: { main: server }, global: { log_level: 'INFO' } });
  await writeCatalog(home, 'main');
  const data = home.server('main', 'base', writtenBackups.secondTwin, 'data');
  await fill(data);
  const destination = join(home.folder, 'restored');
  const { env = {} } = settingsOf({ home });
  const contender = (argv: readonly string[], more: Partial<Contender> = {}): Contender => ({
    prepare: async () => {
      await rm(destination, { recursive: true, force: true });
      await runProgram(['sync']);
    },
    work: async (meter) => {
      await meter.run({ argv, env });
    },
    ...more,
  });
  await using cluster = await startCluster({ major: 15 });
  const pgBackRest = await backUpWithPgBackRest(cluster, home.folder);
  const words = ['-c', home.configFile, 'restore', '--target-immediate', 'main', writtenBackups.secondTwin, destination];
  const older = requireOlderBarman();
  const size = largeFiles * largeBytes + smallFiles * smallBytes;
  return await measureInTurn(
    { title: `local restore of ${(size / 1e9).toFixed(2)} GB, plain`, opponent: 'cp -a', runs },
    {
      'cp -a': contender(['cp', '-a', data, destination]),
      'cp -a, synced': contender(['sh', '-c', 'cp -a "$1" "$2" && sync -f "$2"', 'sh', data, destination]),
      'pgcellar (syncs)': contender([await programPath(home), ...words], {
        target: { atMost: 1.1, timesThatOf: 'cp -a, synced' },
      }),
      Barman: contender([requireOracle().program, ...words]),
      [`Barman ${older.version}`]: contender([older.program, ...words]),
      ...(pgBackRest === undefined
        ? {}
        : {
            'pgBackRest (syncs)': contender(pgBackRest.restore(destination), {
              prepare: async () => {
                await rm(destination, { recursive: true, force: true });
                await mkdir(destination, { mode: 0o700 }); // it wants an empty one
                await runProgram(['sync']);
              },
            }),
          }),
    },
  );
}

/** A backup of as many bytes in as many files, from a cluster that has them lying about; undefined without pgBackRest. */
async function backUpWithPgBackRest(cluster: PostgresServer, folder: string): Promise<PgBackRest | undefined> {
  const found = await PgBackRest.find(cluster, folder);
  if (found === undefined) return undefined;
  await fill(cluster.dataDir);
  const { exitCode, stdout, stderr } = await runProgram(found.backUp(cluster.dataDir));
  if (exitCode !== 0) throw new Error(`pgBackRest made no backup: ${stdout}${stderr}`);
  return found;
}

async function fill(data: string): Promise<void> {
  const folder = join(data, 'base', '16384');
  await mkdir(folder, { recursive: true });
  const block = randomBytes(1024 * 1024);
  for (let number = 0; number < largeFiles + smallFiles; number++) {
    const bytes = number < largeFiles ? largeBytes : smallBytes;
    const file = createWriteStream(join(folder, String(16_400 + number)));
    for (let left = bytes; left > 0; left -= block.length) file.write(block.subarray(0, Math.min(left, block.length)));
    file.end();
    await finished(file);
  }
}
