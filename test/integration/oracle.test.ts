// The real Barman and we on one home, taking turns: what one takes the other lists, restores, checks and deletes, and both say the
// same about it.
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeEachPostgres, describeWithOracle } from '../helpers/installations.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { runOracle, spawnOracle } from '../helpers/run-oracle.ts';
import { runPgcellar, spawnPgcellar } from '../helpers/run-pgcellar.ts';
import type { ProgramResult, RunningProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { createTestHome, type IniSection, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { createTemporaryFolder, type TemporaryFolder } from '../helpers/temporary-folder.ts';
import { waitFor } from '../helpers/wait-for.ts';

type Runner = (words: readonly string[]) => Promise<ProgramResult>;

describeWithOracle('beside the real Barman', () => {
  describeEachPostgres((major) => {
    let cluster: PostgresServer;
    let home: TestHome;
    let receiver: RunningProgram;
    let tablespace: TemporaryFolder;
    const ids: Record<string, string> = {};
    const ours: Runner = async (words) => await runPgcellar(words, { home, as: 'barman' });
    const theirs: Runner = async (words) => await runOracle(words, { home });

    beforeAll(async () => {
      cluster = await startCluster({ major });
      home = await createTestHome({ global: { compression: '' }, servers: { main: settings() } });
      await cluster.query('CREATE TABLE rows (taken_by text)');
      receiver = await startReceiver();
      await must(ours(['switch-wal', '--force', '--archive', 'main']));
      ids['plain'] = await takeBackup(ours, 'plain');
      await makeTablespace();
      ids['spread'] = await takeBackup(ours, 'spread', ['--name', 'spread']);
      ids['theirs'] = await takeBackup(theirs, 'theirs', ['--name', 'theirs']);
      ids['last'] = await takeBackup(ours, 'last');
    });

    afterAll(async () => {
      await receiver[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
      await cluster[Symbol.asyncDispose]();
      await tablespace[Symbol.asyncDispose]();
    });

    function settings(more: IniSection = {}): IniSection {
      return streamingServer(cluster, { immediate_checkpoint: true, ...more });
    }

    async function startReceiver(): Promise<RunningProgram> {
      const program = await spawnPgcellar(['receive-wal', 'main'], { home });
      await waitFor('the receiver streams', async () => {
        return (await cluster.value('SELECT count(*) FROM pg_replication_slots WHERE active')) === '1';
      });
      return program;
    }

    async function makeTablespace(): Promise<void> {
      tablespace = await createTemporaryFolder('ts', { owner: 'server' });
      await cluster.query(`CREATE TABLESPACE fast LOCATION '${tablespace.path}'`);
      await cluster.query('CREATE TABLE far (taken_by text) TABLESPACE fast');
      await cluster.query("INSERT INTO far VALUES ('far away')");
    }

    async function takeBackup(by: Runner, row: string, words: readonly string[] = []): Promise<string> {
      await cluster.query('INSERT INTO rows VALUES ($1)', { parameters: [row] });
      await must(by(['backup', '--wait', ...words, 'main']));
      const { stdout } = await must(ours(['list-backups', '--minimal', 'main']));
      return stdout.split('\n')[0] ?? '';
    }

    test('explore', async () => {
      const all: string[][] = [['list-servers'], ['list-servers', '--minimal'], ['list-backups', 'main'], ['list-backups', '--minimal', 'all'], ['status', 'main'], ['show-servers', 'main'], ['check', 'main'],
        ['replication-status', 'main'], ['replication-status', '--minimal', 'main'], ['replication-status', '--target', 'hot-standby', 'main'], ['replication-status', '--target', 'wal-streamer', 'main'],['replication-status','--minimal', '--target', 'wal-streamer', 'main'],
        ...Object.values(ids).flatMap((id) => [['show-backup', 'main', id], ...['standalone', 'data', 'wal', 'full'].map((t) => ['list-files', '--target', t, 'main', id])])];
      for (const words of all) for (const f of [[], ['-f', 'json']]) {
        const [a, b] = [await ours([...f, ...words]), await theirs([...f, ...words])];
        const da = f.length ? JSON.stringify(JSON.parse(a.stdout), null, 1) : a.stdout;
        const db = f.length ? JSON.stringify(JSON.parse(b.stdout), null, 1) : b.stdout;
        if (da !== db || a.stderr !== b.stderr || a.exitCode !== b.exitCode) {
          const la = da.split('\n'), lb = db.split('\n');
          console.log('====', words.join(' '), f.join(' '), a.exitCode, b.exitCode, JSON.stringify(a.stderr), JSON.stringify(b.stderr), '\nOURS ', la.filter((l) => !lb.includes(l)).join('\n      '), '\nTHEIRS ', lb.filter((l) => !la.includes(l)).join('\n       '));
        }
      }
      void [readdir, readFile, rename, rm, writeFile, startRestored, spawnOracle, describe, expect];
    });
  }, [15, 17]);
});

async function must(running: Promise<ProgramResult>): Promise<ProgramResult> {
  const result = await running;
  if (result.exitCode !== 0) throw new Error(`exit code ${String(result.exitCode)}: ${result.stdout}${result.stderr}`);
  return result;
}
