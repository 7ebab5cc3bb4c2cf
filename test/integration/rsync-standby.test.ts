// File-level backups of a standby: the primary closes the segments; a promotion midway fails the backup cleanly.
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeEachPostgres } from '../helpers/installations.ts';
import { newestRecord } from '../helpers/newest-record.ts';
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
import { spawnPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult } from '../helpers/run-program.ts';
import { runWell } from '../helpers/run-well.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { untilCopying } from '../helpers/until-copying.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { writeScript } from '../unit/transport/scripts.ts';

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let stage: RsyncStage;
    let standby: PostgresServer;

    beforeAll(async () => {
      stage = await setRsyncStage(major, opened);
      const { home, cluster } = stage;
      const id = await backUpByRsync(stage);
      const folder = await opened.add(createTemporaryFolder('sb', { owner: 'server' }));
      const { data, moved, tablespaces } = restorePlaces(stage, folder);
      await runWell(['restore', '--standby-mode', '--get-wal', ...moved, 'main', id, data], { home });
      await appendFile(
        join(data, 'postgresql.auto.conf'),
        `restore_command = ''\nprimary_conninfo = '${cluster.conninfo({ user: 'streaming_barman' })}'\n`,
      );
      // it then waits at the end of a backup until its own archiver has the last segment, which only the primary can close
      const settings = { archive_mode: 'always', archive_command: 'true' };
      standby = await opened.add(startRestored({ dataDir: data, tablespaces, major, settings }));
      await waitFor(
        'the standby streams',
        async () => (await cluster.value('SELECT count(*) FROM pg_stat_replication')) === '2',
      );
      await configureRsync(stage, {
        conninfo: standby.conninfo({ user: 'barman' }),
        streaming_conninfo: standby.conninfo({ user: 'streaming_barman' }),
        primary_conninfo: cluster.conninfo({ user: 'barman' }),
        verify_checksums: 'fail',
        wal_conninfo: cluster.conninfo({ user: 'barman' }),
        wal_streaming_conninfo: cluster.conninfo({ user: 'streaming_barman' }),
      });
    });
    afterAll(async () => opened.close());

    /** An rsync that tells that it was started, and begins when it may. */
    async function waitingRsync(name: string): Promise<{ path: string; started: string; go: string }> {
      const path = await stage.home.makeFolder(name);
      const [started, go] = [join(path, 'started'), join(path, 'go')];
      await writeScript(path, 'rsync', `touch ${started}; while [ ! -e ${go} ]; do sleep 0.1; done; exec /usr/bin/rsync "$@"`);
      return { path, started, go };
    }

    test('a backup of a standby is complete, and has what the primary wrote before', async () => {
      const { home, cluster } = stage;
      await cluster.query("INSERT INTO near VALUES (-1, 'on the primary')");
      await waitFor(
        'the standby has the row',
        async () => (await standby.value("SELECT count(*) FROM near WHERE t = 'on the primary'")) === '1',
      );
      const id = await backUpByRsync(stage);
      expect(await newestRecord(stage.home)).toMatch(/^status=DONE$/m);
      await using folder = await createTemporaryFolder('rs', { owner: 'server' });
      const { data, moved, tablespaces } = restorePlaces(stage, folder);
      await runWell(['restore', ...moved, 'main', id, data], { home });
      await using restored = await startRestored({ dataDir: data, tablespaces, major, wait: 'promoted' });
      expect(await restored.query(rowChecksums)).toEqual(await cluster.query(rowChecksums));
    });

    /** A backup to which something happens while files are copied. */
    async function strike(title: string, happen: () => Promise<unknown>): Promise<ProgramResult> {
      const { path, started, go } = await waitingRsync(title);
      const running = await spawnPgcellar(['backup', 'main'], { home: stage.home, path: [path] });
      await untilCopying(running, started);
      await happen();
      await writeFile(go, '');
      return await running.ended;
    }

    test('a primary that goes away while files are copied fails the backup instead of letting it wait for ever', async () => {
      const { home, cluster } = stage;
      const { exitCode, stderr } = await strike('primary-gone', async () => await cluster.stop('immediate'));
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/^ERROR: .*cannot connect to PostgreSQL/m);
      expect(await newestRecord(home)).toMatch(
        /^error=failure issuing stop of the backup \(cannot connect to PostgreSQL .*\)$/m,
      );
      expect(await newestRecord(home)).toMatch(/^status=FAILED$/m);
      await cluster.start();
      await startReceiver(home, cluster); // it ended with the server
      await waitFor(
        'the standby streams',
        async () => (await cluster.value('SELECT count(*) FROM pg_stat_replication')) === '2',
      );
    });

    test('a promotion while files are copied fails the backup in the words of the server', async () => {
      const { exitCode, stderr } = await strike('promoted', async () => await standby.query('SELECT pg_promote()'));
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/promoted/);
      expect(await newestRecord(stage.home)).toMatch(/^error=failure issuing stop of the backup \(.*promoted.*\)$/m);
      expect(await newestRecord(stage.home)).toMatch(/^status=FAILED$/m);
    });
  },
  [13, 14, 15, 16, 17, 18],
);
