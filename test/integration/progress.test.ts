import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requirePostgres } from '../helpers/installations.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import type { RunningProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { startWriteLoad, type WriteLoad } from '../helpers/write-load.ts';

const major = 15;
const drawn = /Copying files {2}.*\d+% {2}[\d.]+ \w+ of [\d.]+ \w+ {2}[\d.]+ \w+\/s/;

describe('a live line of progress', () => {
  let cluster: PostgresServer;
  let home: TestHome;
  let receiver: RunningProgram;
  let load: WriteLoad;

  beforeAll(async () => {
    requirePostgres(major);
    cluster = await startCluster({ major });
    home = await createTestHome({ servers: { main: streamingServer(cluster, { immediate_checkpoint: true }) } });
    load = await startWriteLoad(cluster);
    receiver = await spawnPgcellar(['receive-wal', 'main'], { home });
    await waitFor('the receiver streams', async () => {
      return (await cluster.value('SELECT count(*) FROM pg_replication_slots WHERE active')) === '1';
    });
    await runPgcellar(['switch-wal', '--force', '--archive', 'main'], { home });
  });

  afterAll(async () => {
    await load[Symbol.asyncDispose]();
    await receiver[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  test('is drawn by backup on a terminal, with size, rate and percentage, and is gone at the end', async () => {
    const { stdout, exitCode } = await runPgcellar(['backup', '--wait', '--bwlimit', '6000', 'main'], { home, terminal: true });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(drawn);
    const afterLastDrawing = stdout.slice(stdout.lastIndexOf('Copying files'));
    expect(afterLastDrawing).toContain('\r\u001B[K');
  });

  test('is drawn by restore on a terminal', async () => {
    const destination = join(home.folder, 'drawn');
    const words = ['restore', '--bwlimit', '12000', '--target-immediate', 'main', 'latest', destination];
    const { stdout, exitCode } = await runPgcellar(words, { home, terminal: true });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(drawn);
    expect(stdout).toMatch(/Syncing {2}/);
  });

  test.each([
    { title: 'on a pipe', words: [], terminal: false },
    { title: 'with -q', words: ['-q'], terminal: true },
    { title: 'with JSON', words: ['-f', 'json'], terminal: true },
  ])('is not drawn $title', async ({ title, words, terminal }) => {
    const destination = join(home.folder, title.replaceAll(' ', '-'));
    const command = ['restore', '--bwlimit', '12000', '--target-immediate', 'main', 'latest', destination];
    const { stdout, stderr, exitCode } = await runPgcellar([...words, ...command], { home, terminal });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).not.toContain('Copying files');
    expect(stdout).not.toContain('\r\u001B[K');
  });
});
