// The stream of WAL goes on over a promotion: in one connection to the promoted server, and when the server's address moves to it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedWals, indexedWals, namesIn } from '../helpers/archived-wals.ts';
import { describeEachPostgres } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startAddress } from '../helpers/start-address.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver, waitForReceiver } from '../helpers/start-receiver.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { startStandby } from '../helpers/start-standby.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const insertOf = (number: number): string => `INSERT INTO told VALUES (${String(number)})`;

/** The segment that the timeline of `server` was left in, as the history file of the next one says. */
async function lastSegmentBefore(server: PostgresServer): Promise<string> {
  const [, lsn = ''] = /^1\t(\S+)/m.exec(await readFile(join(server.dataDir, 'pg_wal', '00000002.history'), 'utf8')) ?? [];
  const [high = '', low = ''] = lsn.split('/');
  const word = (number: number): string => number.toString(16).toUpperCase().padStart(8, '0');
  return `00000001${word(Number.parseInt(high, 16))}${word(Number.parseInt(low, 16) >>> 24)}`;
}

async function promote(standby: PostgresServer): Promise<void> {
  await standby.query('SELECT pg_promote()');
  await waitFor('it is promoted', async () => (await standby.value('SELECT pg_is_in_recovery()')) === 'false');
}

/** What was written before the switch and after it comes back together. */
async function expectRestorable(home: TestHome, major: number): Promise<void> {
  const data = join(home.folder, 'restored');
  await runWell(['restore', '--target-tli', 'latest', 'main', 'latest', data], { home });
  await using restored = await startRestored({ dataDir: data, major, wait: 'promoted' });
  expect(await restored.value("SELECT string_agg(number::text, ',' ORDER BY number) FROM told")).toBe('1,2');
  expect(await restored.value('SELECT timeline_id FROM pg_control_checkpoint()')).toBe('3');
}

describeEachPostgres(
  (major) => {
    const opened = new Opened();
    let primary: PostgresServer;

    beforeAll(async () => {
      primary = await opened.add(startCluster({ major, settings: { wal_keep_size: '1GB' } }));
      await primary.query('CREATE TABLE told (number int)');
    });
    afterAll(() => opened.close());

    /** The archive has what the server wrote on both timelines, and what was left unfinished on the first under the name of a partial. */
    const expectBothTimelines = async (home: TestHome, server: PostgresServer): Promise<void> => {
      const left = await lastSegmentBefore(server);
      // the newest partial segment is held back, and this one is that until the next timeline has begun one
      const archived = await waitFor('the unfinished segment is archived', async () => {
        await runWell(['archive-wal', 'main'], { home });
        const names = await archivedWals(home);
        return names.includes(`${left}.partial`) ? names : undefined;
      });
      expect((await indexedWals(home)).toSorted()).toEqual([...archived, '00000002.history'].toSorted());
      expect(archived).toEqual(expect.arrayContaining([`${left}.partial`, left.replace(/^0{7}1/, '00000002')]));
      const history = await readFile(home.server('main', 'wals', '00000002.history'), 'utf8');
      expect(history).toBe(await readFile(join(server.dataDir, 'pg_wal', '00000002.history'), 'utf8'));
      expect(archived).not.toContain(left);
      expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
      const folder = await home.makeFolder('fetched');
      for (const name of archived.filter((each) => each.startsWith('00000002') && each.length === 24)) {
        await runWell(['get-wal', '-o', folder, 'main', name], { home });
        const fetched = await readFile(join(folder, name));
        expect(fetched.equals(await readFile(join(server.dataDir, 'pg_wal', name)))).toBe(true);
      }
    };

    test('a receiver that streams from a standby goes on when that is promoted, in the same process', async () => {
      await using standby = await startStandby(primary);
      const more = { primary_conninfo: primary.conninfo({ user: 'barman' }), immediate_checkpoint: true };
      await using home = await createTestHome({ servers: { main: streamingServer(standby, more) } });
      await primary.query('CHECKPOINT');
      await using receiver = await spawnPgcellar(['receive-wal', 'main'], { home });
      await waitForReceiver(home, standby);
      await primary.query('SELECT pg_switch_wal()');
      await primary.query('SELECT txid_current()');
      await waitFor('the first segment is archived', async () => {
        await runWell(['archive-wal', 'main'], { home });
        return (await archivedWals(home)).length > 0;
      });
      await runWell(['backup', '--wait', '--wait-timeout', '120', 'main'], { home });
      await primary.query(insertOf(1));
      const written = await primary.value('SELECT pg_current_wal_flush_lsn()');
      await waitFor('the standby has replayed it', async () => {
        return (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${written}'`)) === 'true';
      });
      await promote(standby);
      await waitForReceiver(home, standby);
      await standby.query(insertOf(2));
      await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
      expect((await home.processes()).some(({ pid }) => pid === receiver.pid)).toBe(true);
      await expectBothTimelines(home, standby);
      await expectRestorable(home, major);
    });

    test('when the address moves to the promoted standby, the next cron goes on there', async () => {
      await primary.query('TRUNCATE told');
      await using standby = await startStandby(primary);
      await using address = await startAddress(primary.port);
      const at = (user: string): string => `host=127.0.0.1 port=${String(address.port)} user=${user} dbname=postgres`;
      const more = { conninfo: at('barman'), streaming_conninfo: at('streaming_barman'), immediate_checkpoint: true };
      await using home = await createTestHome({ servers: { main: streamingServer(primary, more) } });
      await startReceiver(home, primary);
      await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
      await runWell(['backup', '--wait', '--wait-timeout', '120', 'main'], { home });
      await primary.query(insertOf(1));
      const written = await primary.value('SELECT pg_current_wal_flush_lsn()');
      await waitFor('the standby has replayed it', async () => {
        return (await standby.value(`SELECT pg_last_wal_replay_lsn() >= '${written}'`)) === 'true';
      });
      const begun = `${await primary.value(`SELECT pg_walfile_name('${written}')`)}.partial`;
      await waitFor('the receiver has begun that segment', async () => {
        return (await namesIn(home.server('main', 'streaming'))).includes(begun);
      });
      await primary.kill();
      await promote(standby);
      address.moveTo(standby.port);
      await waitFor('the receiver has noticed', async () => (await home.processes()).length === 0);
      await startReceiver(home, standby);
      await standby.query(insertOf(2));
      await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
      await expectBothTimelines(home, standby);
      await expectRestorable(home, major);
    });
  },
  [17],
);
