// Nobody is followed who must not be: each refusal of the receiver on real servers, by its name, with the archive as it was. Those of several nodes that
// claim to be the primary and of another cluster are in follow-primary.test.ts.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { isSlotActive, waitForReceiver } from '../helpers/start-receiver.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { ThreeNodes } from '../helpers/three-nodes.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { asServerUser } from '../machine/server-user.mjs';

const run = promisify(execFile);
const opened = new Opened();
let three: ThreeNodes;
let home: TestHome;
let one: PostgresServer;
let two: PostgresServer;

beforeAll(async () => {
  three = await opened.add(ThreeNodes.start({ major: 17, standbys: 1 }));
  home = await opened.add(createTestHome());
  one = three.primary;
  two = three.standbys[0]!;
  const strings = { conninfo: three.conninfo('barman'), streaming_conninfo: three.conninfo('streaming_barman') };
  await home.writeServer('main', streamingServer(one, { ...strings, create_slot: 'manual' }));
  await runWell(['receive-wal', '--create-slot', 'main'], { home });
  await runWell(['cron'], { home });
  await waitForReceiver(home, one);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
});
afterAll(async () => opened.close());

/** Checksums of everything that was archived or received. */
async function sums(): Promise<string> {
  const find = "find wals streaming incoming errors -type f ! -name '*-xlog.db' -exec sha256sum {} + | sort";
  return (await run('sh', ['-c', `cd ${home.server('main')} && ${find}`])).stdout;
}

async function stopReceiver(): Promise<void> {
  await runWell(['terminate-process', 'main', 'receive-wal'], { home });
  await runWell(['archive-wal', 'main'], { home });
}

/** The next pass refuses by that name, says so in the check, and touches nothing. */
async function expectRefused(name: string, { passes = false } = {}): Promise<void> {
  const before = await sums();
  const { stdout: shown } = await runPgcellar(['-f', 'json', 'show-cluster', 'main'], { home });
  const { plan } = (JSON.parse(shown) as { main: { plan: unknown } }).main;
  expect(plan).toMatchObject({ kind: 'refuse', refusal: name, remedy: expect.stringMatching(/.{20}/) as string });
  const { stdout: checked } = await runPgcellar(['check', 'main'], { home });
  expect(checked).toContain(`cluster followed: FAILED (${name}: `);
  if (passes) {
    await runWell(['cron'], { home });
    await waitFor('the receiver says so', async () => (await home.log()).includes(`no WAL is streamed: ${name}: `));
    await runWell(['terminate-process', 'main', 'receive-wal'], { home });
  } else {
    const { exitCode, stdout, stderr } = await runPgcellar(['receive-wal', 'main'], { home });
    expect([exitCode, `${stdout}${stderr}`]).toEqual([1, expect.stringContaining(`(${name})`)]);
  }
  expect(await sums()).toBe(before);
}

const write = async (node: PostgresServer): Promise<void> => {
  await node.query('CREATE TABLE IF NOT EXISTS written (id int)');
  await node.query('INSERT INTO written VALUES (1)');
  await node.query('SELECT pg_switch_wal()');
};

async function copyData(from: string, to: string): Promise<void> {
  await run('rm', ['-rf', to]);
  await run('cp', ['-a', '--reflink=auto', '-T', from, to]);
}

test('a primary that has less WAL than we hold, and one that was set back by a recovery in place', async () => {
  const [kept, early] = [join(home.folder, 'kept'), join(home.folder, 'early')];
  await stopReceiver();
  await one.stop('fast');
  await copyData(one.dataDir, early);
  await one.start();
  await runWell(['cron'], { home });
  await waitForReceiver(home, one);
  for (let count = 0; count < 2; count += 1) await write(one);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await stopReceiver();
  await runWell(['show-cluster', 'main'], { home }); // remembers how far it was
  await two.stop('fast'); // it would take the timelines of the recovery for newer ones
  await one.stop('fast');
  await copyData(one.dataDir, kept);
  await copyData(early, one.dataDir);
  await one.start();
  await expectRefused('ahead');
  await one.stop('fast');
  await copyData(early, one.dataDir);
  const conf = join(one.dataDir, 'postgresql.auto.conf');
  await run('sh', ['-c', `echo "restore_command = 'false'" >> ${conf}`]);
  await run('sh', ['-c', asServerUser(['touch', join(one.dataDir, 'recovery.signal')]).join(' ')]);
  await one.start();
  await waitFor('it is promoted', async () => (await one.value('SELECT pg_is_in_recovery()')) === 'false');
  await expectRefused('past-fork');
  await one.stop('fast');
  await copyData(kept, one.dataDir);
  await one.start();
  await two.start();
});

test('a node in recovery alone, and an old primary that comes back', async () => {
  await runWell(['cron'], { home });
  await waitForReceiver(home, one);
  await waitFor('the standby streams again', async () => {
    return (await one.value("SELECT count(*) FROM pg_stat_replication WHERE application_name = 'walreceiver'")) !== '0';
  });
  await stopReceiver();
  await one.kill();
  await expectRefused('no-primary', { passes: true });
  await three.promote(two);
  await runWell(['cron'], { home });
  await waitFor('the receiver follows', async () => await isSlotActive(two), { explain: () => home.log() });
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  await waitFor('what came again was compared', async () => (await home.log()).includes('WAL is continuous over the switch'));
  await stopReceiver();
  await two.stop('fast');
  await three.comeBackAsPrimary(one);
  await expectRefused('not-descendant');
  await one.stop('fast');
  await two.start();
});

test('a slot that PostgreSQL has given up, one that is missing, and one that is newer than what we hold', async () => {
  for (const setting of [
    "wal_keep_size = '0'",
    "max_slot_wal_keep_size = '1MB'",
    "min_wal_size = '32MB'",
    "max_wal_size = '32MB'",
  ])
    await two.query(`ALTER SYSTEM SET ${setting}`);
  two.reload();
  await waitFor('the slot is lost', async () => {
    await write(two);
    await two.query('CHECKPOINT');
    return (await two.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'barman'")) === 'lost';
  });
  await expectRefused('slot-lost');
  await two.query("SELECT pg_drop_replication_slot('barman')");

  await expectRefused('slot-missing');
  await runWell(['receive-wal', '--create-slot', 'main'], { home });
  await expectRefused('wal-gone');
  const hint = await runPgcellar(['receive-wal', '--reset', 'main'], { home });
  expect(hint.exitCode).toBe(0);
  await runWell(['cron'], { home });
  await waitForReceiver(home, two);
});
