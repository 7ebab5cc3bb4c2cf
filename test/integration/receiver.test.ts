// The WAL receiver and its replication slot, with real servers and real deaths.
import { mkdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { archivedWals, indexedWals, namesIn, segmentsBetween } from '../helpers/archived-wals.ts';
import { describeEachPostgres, testedMajors } from '../helpers/installations.ts';
import type { MarkedProcess } from '../helpers/marked-processes.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { isSlotActive, startReceiver, waitForReceiver } from '../helpers/start-receiver.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { startWriteLoad } from '../helpers/write-load.ts';

const segmentBytes = 16 * 1024 * 1024;
const newest = testedMajors.at(-1);

async function homeFor(cluster: PostgresServer, more: IniSection = {}): Promise<TestHome> {
  return await createTestHome({ servers: { main: streamingServer(cluster, { immediate_checkpoint: true, ...more }) } });
}

function kill(victim: MarkedProcess | undefined): void {
  if (victim === undefined) throw new Error('it does not run');
  process.kill(victim.pid, 'SIGKILL');
}

/** Our own process, not the `pg_receivewal` below it. */
async function receiverOf(home: TestHome): Promise<MarkedProcess | undefined> {
  return (await home.processes()).find(({ command }) => / receive-wal main$/.test(command));
}

async function receivingPrograms(home: TestHome): Promise<MarkedProcess[]> {
  return (await home.processes()).filter(({ command }) => command.includes('pg_receivewal'));
}

async function waitUntilNothingReceives(home: TestHome, cluster: PostgresServer): Promise<void> {
  await waitFor('no receiver is left', async () => {
    return (await receiverOf(home)) === undefined && (await receivingPrograms(home)).length === 0;
  });
  await waitFor('the server has noticed', async () => !(await isSlotActive(cluster)));
}

/** For the next test: whoever streamed was ended with his home. */
async function dropSlots(cluster: PostgresServer): Promise<void> {
  await waitFor('nobody streams', async () => !(await isSlotActive(cluster)));
  await cluster.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
}

/** Whom commits wait for; disposing lets them wait for nobody again. */
function synchronousNames(cluster: PostgresServer): AsyncDisposable & { set(names: string): Promise<void> } {
  const set = async (value: string): Promise<void> => {
    await cluster.query(`ALTER SYSTEM SET synchronous_standby_names = '${value}'`);
    cluster.reload();
    await waitFor('the setting counts', async () => (await cluster.value('SHOW synchronous_standby_names')) === value);
  };
  return { set, [Symbol.asyncDispose]: async () => await set('') };
}

/** Every segment from the first archived one to the last is there once, as the server wrote it. */
async function expectWholeArchive(home: TestHome, cluster: PostgresServer): Promise<void> {
  const indexed = await indexedWals(home);
  expect(indexed).toEqual(segmentsBetween(indexed[0] ?? '', indexed.at(-1) ?? ''));
  expect(await archivedWals(home)).toEqual(indexed);
  const folder = await home.makeFolder('fetched');
  for (const name of indexed) {
    await runWell(['get-wal', '-o', folder, 'main', name], { home });
    const fetched = await readFile(join(folder, name));
    expect(fetched.length).toBe(segmentBytes);
    expect(fetched.equals(await readFile(join(cluster.dataDir, 'pg_wal', name)))).toBe(true);
  }
  expect(await namesIn(home.server('main', 'errors'))).toEqual([]);
}

describeEachPostgres((major) => {
  const opened = new Opened();
  let cluster: PostgresServer;

  beforeAll(async () => {
    // the server keeps its own WAL, so that the archive can be compared with it
    cluster = await opened.add(startCluster({ major, settings: { wal_keep_size: '1GB' } }));
  });
  afterEach(() => dropSlots(cluster));
  afterAll(() => opened.close());

  test('a killed receiver takes pg_receivewal with it, the next cron starts it again, and no WAL is lost or doubled', async () => {
    await using home = await homeFor(cluster);
    await startReceiver(home, cluster);
    await using load = await startWriteLoad(cluster, { paddingBytes: 2000 });
    for (let round = 0; round < 3; round++) {
      await cluster.query('SELECT pg_switch_wal()');
      await load.mark();
      const killed = await receiverOf(home);
      kill(killed);
      await waitUntilNothingReceives(home, cluster);
      await cluster.query('SELECT pg_switch_wal()');
      await load.mark();
      await startReceiver(home, cluster);
      expect((await receiverOf(home))?.pid).not.toBe(killed?.pid);
    }
    await runWell(['switch-wal', '--archive', 'main'], { home });
    await load.stop();
    expect((await indexedWals(home)).length).toBeGreaterThanOrEqual(7);
    await expectWholeArchive(home, cluster);
  });

  if (major !== newest) return;

  test('a changed configuration restarts the receiver, through its model, by an update, and back', async () => {
    await using home = await homeFor(cluster, { cluster: 'c1' });
    await home.writeServer('calm', { model: true, cluster: 'c1', slot_name: 'calm' });
    await home.writeServer('off', { model: true, cluster: 'c1', streaming_archiver: 'off', archiver: 'on' });
    await startReceiver(home, cluster);
    const first = await receiverOf(home);
    const switched = await runWell(['config-switch', 'main', 'calm'], { home });
    expect(switched).toContain(
      `Stopped process receive-wal(${String(first?.pid)})\nStarting streaming archiver for server main\n`,
    );
    await waitForReceiver(home, cluster, 'calm');
    const second = await receiverOf(home);
    expect(second?.pid).not.toBe(first?.pid);
    await runWell(['config-switch', 'main', 'calm'], { home });
    expect((await receiverOf(home))?.pid).toBe(second?.pid);

    const changes = JSON.stringify([{ scope: 'server', server_name: 'main', description: 'changed' }]);
    expect(await runWell(['config-update', changes], { home })).toContain(
      `Stopped process receive-wal(${String(second?.pid)})`,
    );
    await waitForReceiver(home, cluster, 'calm');

    expect(await runWell(['config-switch', 'main', 'off'], { home })).not.toContain('Starting streaming archiver');
    await waitFor('no receiver is left', async () => (await receiverOf(home)) === undefined);
    await runWell(['config-switch', '--reset', 'main'], { home });
    await waitForReceiver(home, cluster);
    await runWell(['terminate-process', 'main', 'receive-wal'], { home });
    await waitFor('nobody streams', async () => !(await isSlotActive(cluster, 'calm')));
  });

  test('receive-wal --stop ends the receiver in its own way, and a second one finds nothing to stop', async () => {
    await using home = await homeFor(cluster);
    await using receiver = await spawnPgcellar(['receive-wal', 'main'], { home });
    await waitForReceiver(home, cluster);
    expect(await runPgcellar(['receive-wal', '--stop', 'main'], { home })).toMatchObject({
      exitCode: 0,
      stdout: `Stopped process receive-wal(${String(receiver.pid)})\n`,
      stderr: "WARNING: receive-wal --stop is deprecated: use 'terminate-process main receive-wal' instead\n",
    });
    expect((await receiver.ended).exitCode).toBe(0);
    await waitUntilNothingReceives(home, cluster);
    const second = await runPgcellar(['receive-wal', '--stop', 'main'], { home });
    expect(second).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('Termination of receive-wal failed') as string,
    });
  });

  test.each([
    { title: 'by its name', setting: 'FIRST 1 ("Barman_receive_wal", other)' },
    { title: 'as any', setting: '*' },
  ])('a receiver that the server waits for $title confirms commits, which wait while it is away', async ({ setting }) => {
    await using home = await homeFor(cluster);
    await cluster.query('SET synchronous_commit = local; CREATE TABLE confirmed (number int)');
    await using names = synchronousNames(cluster);
    await names.set(setting);
    await startReceiver(home, cluster);
    expect(await runWell(['show-servers', 'main'], { home })).toContain('pg_receivexlog_synchronous: True');
    expect((await receivingPrograms(home)).every(({ command }) => command.includes(' --synchronous'))).toBe(true);
    const state = "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'barman_receive_wal'";
    await waitFor('the server counts on it', async () => (await cluster.value(state)) === 'sync');
    await cluster.query('INSERT INTO confirmed VALUES (1)');

    await runWell(['terminate-process', 'main', 'receive-wal'], { home });
    await waitUntilNothingReceives(home, cluster);
    let isCommitted = false;
    const commit = cluster.query('INSERT INTO confirmed VALUES (2)').then(() => (isCommitted = true));
    const waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    await waitFor('the commit waits', async () => (await cluster.value(waiting)) === '1');
    expect(isCommitted).toBe(false);
    await startReceiver(home, cluster);
    await commit;
    expect(await cluster.value('SELECT count(*) FROM confirmed')).toBe('2');
    await cluster.query('SET synchronous_commit = local; DROP TABLE confirmed');
  });

  test('a receiver that the server does not wait for is not synchronous', async () => {
    await using home = await homeFor(cluster);
    await using names = synchronousNames(cluster);
    await names.set('somebody_else');
    await startReceiver(home, cluster);
    expect((await receivingPrograms(home)).some(({ command }) => command.includes('--synchronous'))).toBe(false);
  });

  test('a pg_receivewal that dies ends its receiver with an error, and the next cron starts another', async () => {
    await using home = await homeFor(cluster);
    await using receiver = await spawnPgcellar(['receive-wal', 'main'], { home });
    await waitForReceiver(home, cluster);
    kill((await receivingPrograms(home))[0]);
    const { exitCode, stderr } = await receiver.ended;
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/^ERROR: ArchiverFailure:pg_receivewal terminated with error/) as string,
    });
    await waitUntilNothingReceives(home, cluster);
    await startReceiver(home, cluster);
  });

  test('a second receiver is refused, and the first goes on', async () => {
    await using home = await homeFor(cluster);
    await startReceiver(home, cluster);
    const first = await receiverOf(home);
    const second = await runPgcellar(['receive-wal', 'main'], { home });
    expect(second).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('already running') as string });
    await runWell(['cron'], { home });
    expect(await receiverOf(home)).toEqual(first);
    expect(await isSlotActive(cluster)).toBe(true);
  });

  test('a receiver of another home cannot take a slot that is in use', async () => {
    await using home = await homeFor(cluster);
    await startReceiver(home, cluster);
    await using other = await homeFor(cluster);
    const refused = await runPgcellar(['receive-wal', 'main'], { home: other });
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("'barman' is already in use") as string });
    expect(await isSlotActive(cluster)).toBe(true);
  });

  test('cron stops the receiver of a server that streams no more', async () => {
    await using home = await homeFor(cluster);
    await startReceiver(home, cluster);
    await home.writeServer('main', streamingServer(cluster, { streaming_archiver: 'off', archiver: 'on' }));
    expect(await runWell(['cron'], { home })).toContain('Stopped process receive-wal(');
  });

  test('a slot is created once and dropped once, and not while it is in use', async () => {
    await using home = await homeFor(cluster, { create_slot: 'manual' });
    const run = async (...words: string[]) => await runPgcellar(['receive-wal', ...words, 'main'], { home });
    const refused = (text: string) => ({ exitCode: 1, stderr: expect.stringContaining(text) as string });
    expect(await run('--drop-slot')).toMatchObject(refused("Replication slot 'barman' does not exist"));
    expect(await run('--create-slot')).toMatchObject({ exitCode: 0 });
    expect(await run('--create-slot')).toMatchObject(refused("Replication slot 'barman' already exists"));
    expect(await run('--create-slot', '--if-not-exists')).toMatchObject({ exitCode: 0 });
    await startReceiver(home, cluster);
    expect(await run('--drop-slot')).toMatchObject(refused('because it is in use'));
    expect(await run('--stop')).toMatchObject({ exitCode: 0 });
    await waitUntilNothingReceives(home, cluster);
    expect(await run('--drop-slot')).toMatchObject({ exitCode: 0 });
    expect(await cluster.value('SELECT count(*) FROM pg_replication_slots')).toBe('0');
  });

  test('with create_slot = manual a missing slot is refused and not created', async () => {
    await using home = await homeFor(cluster, { create_slot: 'manual' });
    const { exitCode, stderr } = await runPgcellar(['receive-wal', 'main'], { home });
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("slot 'barman' doesn't exist") as string,
    });
    expect(await cluster.value('SELECT count(*) FROM pg_replication_slots')).toBe('0');
    expect(await namesIn(home.server('main', 'streaming'))).toEqual([]);
  });

  test('a receiver that was torn in the middle of a segment receives it again from its start', async () => {
    await using home = await homeFor(cluster);
    await startReceiver(home, cluster);
    await using load = await startWriteLoad(cluster, { table: 'torn', paddingBytes: 2000 });
    await runWell(['switch-wal', '--archive', 'main'], { home });
    const killed = await receiverOf(home);
    kill(killed);
    await waitUntilNothingReceives(home, cluster);
    const partial = (await namesIn(home.server('main', 'streaming'))).findLast((name) => name.endsWith('.partial'));
    await truncate(home.server('main', 'streaming', partial ?? ''), 5000);
    await startReceiver(home, cluster);
    await runWell(['switch-wal', '--archive', 'main'], { home });
    await load.stop();
    await expectWholeArchive(home, cluster);
  });

  test('--reset lets the receiver go on where the server is, after the slot was lost', async () => {
    await using home = await homeFor(cluster);
    const reset = async () => await runPgcellar(['receive-wal', '--reset', 'main'], { home });
    await startReceiver(home, cluster);
    await using load = await startWriteLoad(cluster, { table: 'reset', paddingBytes: 2000 });
    await runWell(['switch-wal', '--archive', 'main'], { home });
    expect(await reset()).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('already running') as string });
    await runWell(['receive-wal', '--stop', 'main'], { home });
    await waitUntilNothingReceives(home, cluster);
    await dropSlots(cluster);

    const [before = ''] = (await namesIn(home.server('main', 'streaming'))).slice(-1);
    await cluster.query('SELECT pg_switch_wal()');
    await load.mark();
    await runWell(['receive-wal', '--create-slot', 'main'], { home });
    expect(await reset()).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`Removing status file ${before}`) as string,
    });
    expect(await reset()).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('Nothing to do') as string });
    const [after = ''] = await namesIn(home.server('main', 'streaming'));
    expect(after > before).toBe(true);
    expect((await stat(home.server('main', 'streaming', after))).size).toBe(0);

    await startReceiver(home, cluster);
    await runWell(['switch-wal', '--archive', 'main'], { home });
    await load.stop();
    expect(await indexedWals(home)).toContain(after.replace('.partial', ''));
  });

  test('--reset refuses a streaming folder that is ahead of the server, and leaves it alone', async () => {
    await using home = await homeFor(cluster);
    const streaming = home.server('main', 'streaming');
    await mkdir(streaming, { recursive: true });
    const ahead = '0000000100000FFF000000AA.partial';
    await writeFile(join(streaming, ahead), '');
    const result = await runPgcellar(['receive-wal', '--reset', 'main'], { home });
    expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('ahead of the server') as string });
    expect(await namesIn(streaming)).toEqual([ahead]);
  });
});
