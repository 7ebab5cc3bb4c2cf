// Backups of a standby: the primary closes the segments that they wait for, and a promotion in between fails them.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedWals } from '../helpers/archived-wals.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { startStandby } from '../helpers/start-standby.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let primary: PostgresServer;
    let standby: PostgresServer;
    let home: TestHome;

    beforeAll(async () => {
      primary = await opened.add(startCluster({ major }));
      await primary.query('CREATE TABLE rows AS SELECT generate_series(1, 1000) AS number');
      standby = await opened.add(startStandby(primary, { archive_mode: 'always', archive_command: 'true' }));
      home = await opened.add(
        createTestHome({
          servers: {
            main: streamingServer(standby, {
              primary_conninfo: primary.conninfo({ user: 'barman' }),
              wal_conninfo: primary.conninfo({ user: 'barman' }),
              wal_streaming_conninfo: primary.conninfo({ user: 'streaming_barman' }),
              immediate_checkpoint: true,
            }),
          },
        }),
      );
      await primary.query('CHECKPOINT'); // a standby starts a backup at its last restart point
      await startReceiver(home, primary);
      await primary.query('SELECT pg_switch_wal()');
      await primary.query('SELECT txid_current()');
      await waitFor('the first segment is received', async () => {
        await runWell(['archive-wal', 'main'], { home });
        return (await archivedWals(home)).length > 0;
      });
    });
    afterAll(async () => opened.close());

    const newest = async (): Promise<string> =>
      (await runWell(['list-backups', '--minimal', 'main'], { home })).split('\n')[0] ?? '';
    const recordOf = async (id: string): Promise<string> =>
      await readFile(home.server('main', 'meta', `${id}-backup.info`), 'utf8');

    test('an idle primary closes the segments that its standby waits for, and what was copied starts', async () => {
      await runWell(['backup', '--wait', '--wait-timeout', '60', 'main'], { home });
      const id = await newest();
      const record = await recordOf(id);
      expect(record).toContain('\nstatus=DONE\n');
      expect(record).toContain('BACKUP FROM: standby');
      expect(record).toMatch(/^end_wal=00000001/m);
      const data = join(home.folder, 'restored');
      await runWell(['restore', 'main', id, data], { home });
      await using server = await startRestored({ dataDir: data, major, wait: 'promoted' });
      expect(await server.value('SELECT count(*) FROM rows')).toBe('1000');
    });

    test('a promotion while it is copied fails the backup', async () => {
      await using backup = await spawnPgcellar(['backup', '--bwlimit', '4000', 'main'], { home });
      await waitFor('pg_basebackup copies', async () => {
        return (await standby.value("SELECT count(*) FROM pg_stat_progress_basebackup WHERE phase LIKE 'streaming%'")) !== '0';
      });
      await standby.query('SELECT pg_promote()');
      const { exitCode, stderr } = await backup.ended;
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^ERROR: .*promoted/m);
      const record = await recordOf(await newest());
      expect(record).toContain('\nstatus=FAILED\n');
      expect(record).toMatch(/^error=failure copying files \(.*promoted.*\)$/m);
    });
  },
  [15, 18],
);
