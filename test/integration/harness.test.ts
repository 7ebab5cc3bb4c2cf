// The helpers themselves: what every other end-to-end test stands on.
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allMajors, describeEachPostgres, describeWithOracle, requireOracle } from '../helpers/installations.ts';
import { findMarkedProcesses, killMarkedProcesses } from '../helpers/marked-processes.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle } from '../helpers/run-oracle.ts';
import { runProgram, startProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, streamingServer } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { startWriteLoad } from '../helpers/write-load.ts';
import { asServerUser, serverUser } from '../machine/server-user.mjs';

async function idsIn(server: PostgresServer): Promise<number[]> {
  const rows = await server.query<{ id: string }>('SELECT id FROM load ORDER BY id');
  return rows.map(({ id }) => Number(id));
}

/** A copy of the cluster with the WAL it needs, as PostgreSQL's own program makes it. */
async function copyCluster(cluster: PostgresServer, folder: string): Promise<string> {
  const dataDir = join(folder, 'copy');
  const argv = [join(cluster.clientsDir, 'pg_basebackup'), '-d', cluster.conninfo({ user: 'streaming_barman' }), '-D', dataDir];
  expect(await runProgram([...argv, '-c', 'fast', '-X', 'stream'])).toMatchObject({ exitCode: 0 });
  return dataDir;
}

describeEachPostgres((major) => {
  test('a cluster of that version takes a write load, and its table holds what the journal says', async () => {
    await using cluster = await startCluster({ major });
    expect(await cluster.value('SHOW server_version')).toMatch(new RegExp(`^${String(major)}(?:\\.|rc|beta)`));
    await using load = await startWriteLoad(cluster, { paddingBytes: 1000 });
    const mark = await load.mark({ restorePoint: 'harness' });
    expect(mark).toMatchObject({ rows: load.journal.findLastIndex(({ id }) => id === mark.lastId) + 1 });
    await load.stop();
    expect(await idsIn(cluster)).toEqual(load.journal.map(({ id }) => id));
    expect(await cluster.psql('SELECT count(*) > 0 FROM load')).toBe('t');
  });

  test('a killed server keeps every acknowledged row, and goes on at the next start', async () => {
    await using cluster = await startCluster({ major });
    await using load = await startWriteLoad(cluster, { onLostConnection: 'reconnect' });
    await cluster.kill();
    expect(cluster.isRunning).toBe(false);
    await cluster.start();
    await load.stop();
    expect(await idsIn(cluster)).toEqual(expect.arrayContaining(load.journal.map(({ id }) => id)));
  });

  test('a copy of a cluster starts as a server of its own', async () => {
    await using cluster = await startCluster({ major });
    await using load = await startWriteLoad(cluster);
    await load.stop();
    await using folder = await createTemporaryFolder('hc');
    await using copy = await startRestored({ dataDir: await copyCluster(cluster, folder.path), major });
    expect(copy.port).not.toBe(cluster.port);
    expect(await idsIn(copy)).toEqual(load.journal.map(({ id }) => id));
  });
}, allMajors);

describeWithOracle('the real Barman', () => {
  test('prints its version', async () => {
    await using home = await createTestHome();
    const { exitCode, stdout } = await runOracle(['--version'], { home });
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(requireOracle().version) as string,
    });
  });

  describeEachPostgres((major) => {
    test('reads the configuration of a test home and reaches its server', async () => {
      await using cluster = await startCluster({ major });
      await using home = await createTestHome({ servers: { main: streamingServer(cluster) } });
      const { stdout } = await runOracle(['check', 'main'], { home });
      expect(stdout).toContain('PostgreSQL: OK');
      expect(stdout).toContain('PostgreSQL streaming: OK');
      expect(stdout).toContain('pg_basebackup: OK');
    });
  });
});

describe('sshd', () => {
  test('lets us in without a word', async () => {
    await using sshd = await startSshd();
    expect(await runProgram([...sshd.sshCommand.split(' '), 'true'])).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
  });

  test('lets us in as the user that PostgreSQL runs as', async () => {
    await using sshd = await startSshd({ user: serverUser()?.name ?? userInfo().username });
    const result = await runProgram([...sshd.sshCommand.split(' '), 'id -un']);
    expect(result).toMatchObject({ exitCode: 0, stdout: `${sshd.user}\n`, stderr: '' });
  });

  test('lets in the user that PostgreSQL runs as', async () => {
    await using sshd = await startSshd({ client: 'server' });
    const result = await runProgram(asServerUser([...sshd.sshCommand.split(' '), 'id -un']), { cwd: '/' });
    expect(result).toMatchObject({ exitCode: 0, stdout: `${userInfo().username}\n`, stderr: '' });
  });

  test.each([
    { as: 'ourselves', user: userInfo().username },
    { as: "PostgreSQL's user", user: serverUser()?.name },
  ])('a session as $as finds the programs and variables of the test first', async ({ user = userInfo().username }) => {
    await using sshd = await startSshd({ user, programs: { ls: '/bin/echo' }, env: { HARNESS: 'two words' } });
    const { stdout } = await runProgram([...sshd.sshCommand.split(' '), 'ls "$HARNESS"']);
    expect(stdout).toBe('two words\n');
  });
});

test('a program that a test leaves in the background carries the marks of its file', async () => {
  await using program = startProgram(['sh', '-c', 'sleep 300 & wait']);
  const mark = process.env['PGCELLAR_TEST_FILE'] ?? '';
  await waitFor('both are there', async () => (await findMarkedProcesses('PGCELLAR_TEST_FILE', mark)).length === 2);
  program.kill('SIGKILL');
  await waitFor('only the child is left', async () => {
    const left = await findMarkedProcesses('PGCELLAR_TEST_FILE', mark);
    return left.length === 1 && left[0]?.command === 'sleep 300';
  });
  await killMarkedProcesses('PGCELLAR_TEST_FILE', mark);
  expect(await findMarkedProcesses('PGCELLAR_TEST_FILE', mark)).toEqual([]);
});
