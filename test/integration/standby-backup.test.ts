// Backups of a standby: the primary closes the segments that they wait for, and a promotion in between fails them.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BackupRequest } from '../../src/backup/backup-job.ts';
import { takeBackup } from '../../src/operations/backup/take-backup.ts';
import { type Clock, systemClock } from '../../src/shared/clock.ts';
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
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { quietContext, serverFrom } from '../unit/check/check-setup.ts';

const checkpointTimeoutSeconds = 7;

/** Does not wait for long between the segments that a primary closes. */
const impatientClock: Clock = {
  ...systemClock,
  sleep: async (ms, signal) => {
    await systemClock.sleep([10_000, 1000 * checkpointTimeoutSeconds].includes(ms) ? 20 : ms, signal);
  },
};

const plainRequest: BackupRequest = {
  name: undefined,
  incremental: undefined,
  isCheckpointFast: true,
  kilobytesPerSecond: undefined,
  retryTimes: undefined,
  retrySleepSeconds: undefined,
  reuse: undefined,
  jobs: undefined,
  batchSize: undefined,
  batchSeconds: undefined,
  keepaliveSeconds: undefined,
  writesManifest: undefined,
  checkTimeoutSeconds: undefined,
  waits: false,
  waitTimeoutSeconds: 0,
};

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
      home = await opened.add(createTestHome());
      await configure();
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

    const configure = async (more: IniSection = {}): Promise<void> => {
      const options = {
        primary_conninfo: primary.conninfo({ user: 'barman' }),
        wal_conninfo: primary.conninfo({ user: 'barman' }),
        wal_streaming_conninfo: primary.conninfo({ user: 'streaming_barman' }),
        immediate_checkpoint: true,
      };
      await home.writeServer('main', streamingServer(standby, { ...options, ...more }));
    };

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

    if (major === 17)
      test('a standby that waits for more than ten segments gets a checkpoint of the primary, with primary_checkpoint_timeout', async () => {
        await configure({ primary_checkpoint_timeout: checkpointTimeoutSeconds });
        const flag = join(home.folder, 'archives');
        await standby.query(`ALTER SYSTEM SET archive_command = 'test -e ${flag}'`);
        standby.reload();
        const checkpoint = 'SELECT checkpoint_lsn FROM pg_control_checkpoint()';
        const before = await primary.value(checkpoint);
        const server = serverFrom(home.configFile, 'main', home.env());
        const told: string[] = [];
        const context = quietContext({ clock: impatientClock });
        const messages = { ...context.messages, info: (text: string) => told.push(text) };
        const taking = takeBackup(server, plainRequest, { ...context, messages });
        await waitFor('the checkpoint is announced', () => told.some((text) => /a checkpoint .* follows in 7 s/.test(text)));
        await waitFor('the primary has its checkpoint', async () => (await primary.value(checkpoint)) !== before);
        await writeFile(flag, '');
        await primary.query('SELECT pg_switch_wal()'); // wakes an archiver up that has failed three times
        expect(await taking).toMatchObject({ status: 'WAITING_FOR_WALS', error: null });
        expect(await recordOf(await newest())).toMatch(/^status=(DONE|WAITING_FOR_WALS)$/m);
        await standby.query('ALTER SYSTEM RESET archive_command');
        standby.reload();
        await configure();
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
  [13, 14, 15, 16, 17, 18],
);
