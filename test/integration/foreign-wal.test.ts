// WAL names are not taken for their content: a new cluster under an old name, and both copies of the segment that a promotion cut off.
import { readFile, rm, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archivedWals, namesIn } from '../helpers/archived-wals.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { waitForReceiver } from '../helpers/start-receiver.ts';
import { startStandby } from '../helpers/start-standby.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const archiving = { archive_mode: 'on', archive_command: 'true' };
const shipped = { archiver: 'on', streaming_archiver: 'off', immediate_checkpoint: true };

async function shipTo(home: TestHome, cluster: PostgresServer): Promise<void> {
  const command = `cp %p ${home.server('main', 'incoming')}/%f`;
  await cluster.query(`ALTER SYSTEM SET archive_command = '${command}'`);
  cluster.reload();
  await waitFor('the setting is read', async () => (await cluster.value('SHOW archive_command')) === command);
}

/** Closes so many segments, and waits until they arrived. */
async function closeSegments(home: TestHome, cluster: PostgresServer, count: number): Promise<void> {
  let last = '';
  for (let number = 0; number < count; number++) {
    await cluster.query('CREATE TABLE IF NOT EXISTS filled (id int); INSERT INTO filled SELECT generate_series(1, 100)');
    last = await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
  }
  await waitFor('the last one arrived', async () => (await namesIn(home.server('main', 'incoming'))).includes(last));
}

async function statusesOf(home: TestHome): Promise<string[]> {
  const { main = [] } = JSON.parse(await runWell(['-f', 'json', 'list-backups', 'main'], { home })) as {
    main?: { status: string }[];
  };
  return main.map(({ status }) => status);
}

describe('a new cluster under the name of an old one', () => {
  const opened = new Opened();
  let [old, fresh]: PostgresServer[] = [];
  let home: TestHome;

  beforeAll(async () => {
    old = await opened.add(startCluster({ major: 15, settings: archiving, uniqueSystemId: true }));
    fresh = await opened.add(startCluster({ major: 17, settings: archiving, uniqueSystemId: true }));
    home = await opened.add(createTestHome({ servers: { main: streamingServer(old, shipped) }, owner: 'server' }));
    for (const folder of ['home/main', 'home/main/incoming']) await home.makeFolder(folder);
    await shipTo(home, old);
    await closeSegments(home, old, 5);
    await runWell(['archive-wal', 'main'], { home });
    await home.writeServer('main', streamingServer(fresh, shipped));
    await shipTo(home, fresh);
  });
  afterAll(() => opened.close());

  test('is kept out by what is archived, where identity.json was removed', async () => {
    if (fresh === undefined) throw new Error('no cluster');
    const before = await archivedWals(home);
    const check = await runPgcellar(['check', 'main'], { home });
    expect(check.stdout).toMatch(/systemid coherence: FAILED \(the system Id of the connected PostgreSQL server is \d+/);
    const backup = await runPgcellar(['backup', '--wait', 'main'], { home });
    expect(backup.exitCode).toBe(1);
    expect(await statusesOf(home)).toEqual([]);
    await closeSegments(home, fresh, 2);
    const { exitCode, stderr } = await runPgcellar(['archive-wal', 'main'], { home });
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('belongs to another cluster') as string,
    });
    expect(await archivedWals(home)).toEqual(before);
    expect((await namesIn(home.server('main', 'errors'))).every((name) => name.endsWith('.foreign'))).toBe(true);
    expect((await runPgcellar(['check', 'main'], { home })).stdout).toMatch(/archiver errors: FAILED \(of another cluster: \d/);
  });

  test('has no backup that is DONE while names of its WAL are taken, although identity.json names it', async () => {
    if (fresh === undefined) throw new Error('no cluster');
    const systemid = await fresh.value('SELECT system_identifier::text FROM pg_control_system()');
    await writeFile(home.server('main', 'identity.json'), JSON.stringify({ systemid, version: '17' }));
    await rm(home.server('main', 'errors'), { recursive: true, force: true });
    // the old cluster is ahead: what the backup ends with has a name that is taken
    const { exitCode, stdout, stderr } = await runPgcellar(['backup', '--wait', 'main'], { home });
    const taken = (await archivedWals(home)).filter((name) => name.length === 24);
    const [status = ''] = await statusesOf(home);
    const record = stdout + stderr;
    expect({ exitCode, status, taken: taken.length > 0 }).toEqual({ exitCode: 1, status: 'FAILED', taken: true });
    expect(record).toMatch(/was kept out of the archive|belongs to another cluster/);
  });
});

describe('the segment that a promotion cut off', () => {
  const opened = new Opened();
  let primary: PostgresServer;

  beforeAll(async () => {
    primary = await opened.add(startCluster({ major: 17, settings: { wal_keep_size: '1GB', ...archiving } }));
  });
  afterAll(() => opened.close());

  test('comes twice, streamed and shipped, and is kept once without an error', async () => {
    await using home = await createTestHome({
      servers: { main: streamingServer(primary, { archiver: 'on' }) },
      owner: 'server',
    });
    for (const folder of ['home/main', 'home/main/incoming']) await home.makeFolder(folder);
    await using receiver = await spawnPgcellar(['receive-wal', 'main'], { home });
    await waitForReceiver(home, primary);
    const archive_command = `cp %p ${home.server('main', 'incoming')}/%f`;
    await using standby = await startStandby(primary, { archive_mode: 'on', archive_command });
    await primary.query('SELECT pg_switch_wal()');
    await primary.query('CREATE TABLE told AS SELECT generate_series(1, 1000) AS number');
    const written = await primary.value('SELECT pg_current_wal_flush_lsn()');
    await waitFor(
      'the standby has it',
      async () => (await standby.value(`SELECT pg_last_wal_receive_lsn() >= '${written}'`)) === 'true',
    );
    await standby.query('SELECT pg_promote()');
    const partial = await waitFor('the partial segment was shipped', async () => {
      return (await namesIn(home.server('main', 'incoming'))).find((name) => name.endsWith('.partial'));
    });
    await primary.query("CREATE TABLE after AS SELECT 'behind the fork' AS word"); // the old primary lives on for a moment
    const streamed = home.server('main', 'streaming', partial);
    await waitFor('the receiver has it', async () => (await readFile(streamed)).includes('behind the fork'));
    receiver.kill('SIGINT');
    await receiver.ended;
    const longer = await readFile(streamed);
    expect(longer.equals(await readFile(home.server('main', 'incoming', partial)))).toBe(false);
    // the receiver goes on at the promoted server, and begins the next timeline
    await writeFile(home.server('main', 'streaming', partial.replace(/^0{7}1/, '00000002')), '');
    for (let run = 0; run < 2; run++) await runWell(['archive-wal', 'main'], { home });
    expect(await archivedWals(home)).toContain(partial);
    expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
    const stored = await readFile(home.server('main', 'wals', partial.slice(0, 16), partial));
    expect(stored.equals(longer)).toBe(true);
  });
});
