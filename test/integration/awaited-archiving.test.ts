// PostgreSQL ends a backup when it has archived its WAL: what keeps it from that is told while it waits.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { awaitedText } from '../../src/backup/tell-awaited-archiving.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { spawnPgcellar } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';

const opened = new Opened();
let cluster: PostgresServer;
let home: TestHome;

beforeAll(async () => {
  cluster = await opened.add(startCluster({ major: 18, settings: { archive_mode: 'on', archive_command: '/bin/false' } }));
  home = await opened.add(createTestHome({ servers: { main: streamingServer(cluster, { immediate_checkpoint: true }) } }));
  await startReceiver(home, cluster);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
});
afterAll(() => opened.close());

const archiveWith = async (command: string): Promise<void> => {
  await cluster.query(`ALTER SYSTEM SET archive_command = '${command}'`);
  cluster.reload();
};

// by rsync the session of the backup itself waits; with pg_basebackup a process of the server does
test.each([
  { method: 'pg_basebackup', section: {} },
  { method: 'local-rsync', section: { backup_method: 'local-rsync' } },
])('with $method: the archiver that fails is named, and the backup goes on when that is mended', async ({ section }) => {
  await archiveWith('/bin/false');
  await home.writeServer('main', streamingServer(cluster, { immediate_checkpoint: true, ...section }));
  await using backup = await spawnPgcellar(['backup', 'main'], { home });
  await waitFor('it says what it waits for', () => backup.stderr().includes('its archive_command fails for'), {
    timeoutMs: 120_000,
    explain: () => Promise.resolve(`${backup.stdout()}${backup.stderr()}`),
  });
  expect(backup.stderr()).toMatch(
    /WARNING: PostgreSQL waits until the WAL of the backup is archived, so far for \d+ seconds?: its archive_command fails for \S+, last at .*; it (?:never succeeded|last succeeded at .*)\. The log of PostgreSQL gives the reason/,
  );
  await archiveWith('/bin/true');
  expect((await backup.ended).exitCode).toBe(0);
});

test('of a server that cannot be asked only the waiting is told', () => {
  expect(awaitedText(65, undefined)).toBe(
    'PostgreSQL waits until the WAL of the backup is archived, so far for 1 minute, 5 seconds',
  );
});
