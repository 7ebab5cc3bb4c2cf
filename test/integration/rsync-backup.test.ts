// File-level backups by rsync: over ssh and on this host, on every PostgreSQL, with tablespaces; restored, started, compared.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addBoundaryRelation, boundaryChecksum, oddDatabase } from '../helpers/boundary-relation.ts';
import { describeEachPostgres, requirePostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import {
  backUpByRsync,
  configureRsync,
  type RsyncStage,
  restorePlaces,
  rowChecksums,
  setRsyncStage,
} from '../helpers/rsync-stage.ts';
import { runProgram } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';

describe('rsync and local-rsync', () => {
  describeEachPostgres(
    (major) => {
      const opened = new Opened();
      let stage: RsyncStage;
      beforeAll(async () => {
        stage = await setRsyncStage(major, opened);
        await addBoundaryRelation(stage.cluster);
      });
      afterAll(async () => opened.close());

      test.each(['rsync', 'local-rsync'])('a backup by %s is restored, started, and has all its rows', async (method) => {
        await configureRsync(stage, { backup_method: method });
        const { home, cluster } = stage;
        const id = await backUpByRsync(stage);
        await using folder = await createTemporaryFolder('rs', { owner: 'server' });
        const { data, moved, tablespaces } = restorePlaces(stage, folder);
        await runWell(['restore', ...moved, 'main', id, data], { home });
        await using restored = await startRestored({ dataDir: data, tablespaces, major, wait: 'promoted' });
        expect(await restored.query(rowChecksums)).toEqual(await cluster.query(rowChecksums));
        expect(await boundaryChecksum(restored)).toBe(await boundaryChecksum(cluster));
        expect(await restored.value('SHOW data_checksums')).toBe('on');
        for (const database of ['postgres', oddDatabase]) await expectSound(restored, major, database);
      });
    },
    [13, 14, 15, 16, 17, 18],
  );
});

/** pg_amcheck came with 14; its extension may not lie with the servers that are one program alone. */
async function expectSound(server: PostgresServer, major: number, database: string): Promise<void> {
  const program = join(requirePostgres(major).clientsDir, 'pg_amcheck');
  const available = await server.value("SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'");
  if (major < 14 || available === '0') return;
  await server.query('CREATE EXTENSION amcheck', { dbname: database });
  const where = server
    .conninfo({ user: 'barman' })
    .split(' ')
    .map((pair) => pair.split('='));
  const [, host = '', , port = ''] = where.flat();
  const result = await runProgram([program, '--heapallindexed', '-h', host, '-p', port, '-U', 'barman', database]);
  expect(result).toEqual({ exitCode: 0, signal: undefined, stdout: '', stderr: '' });
}
