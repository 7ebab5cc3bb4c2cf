import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { namesIn } from '../helpers/archived-wals.ts';
import { requireOlderBarman, requireOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, settingsOf } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startReceiver } from '../helpers/start-receiver.ts';
import { type Sshd, startSshd } from '../helpers/start-sshd.ts';
import { createTestHome, streamingServer, type TestHome } from '../helpers/test-home.ts';
import { type Bench, type BenchTable, type Contender, measureInTurn } from './measure.ts';

const tables = 12;
const rowsOfTable = 1_000_000;

/** Backups by rsync over ssh, beside both real Barmans: a full one, and one that links what a small change left alone. */
export const backupRsyncBench: Bench = {
  name: 'backup-rsync',
  run: async ({ runs }) => {
    const opened = new Opened();
    try {
      const cluster = await opened.add(startCluster({ major: 15, settings: { max_wal_size: '8GB', autovacuum: 'off' } }));
      await fill(cluster);
      const sshd = await opened.add(startSshd());
      const ours = await opened.add(homeFor(cluster, sshd, 'ours'));
      const theirs = await opened.add(homeFor(cluster, sshd, 'theirs'));
      const older = await opened.add(homeFor(cluster, sshd, 'older'));
      const stage = { cluster, ours, theirs, older };
      return [await benchFull(stage, runs), await benchLinked(stage, runs)];
    } finally {
      await opened.close();
    }
  },
};

interface BenchStage {
  readonly cluster: PostgresServer;
  readonly ours: TestHome;
  readonly theirs: TestHome;
  /** Of the older Barman. */
  readonly older: TestHome;
}

/** About 1.6 GB. */
async function fill(cluster: PostgresServer): Promise<void> {
  for (let table = 0; table < tables; table++) {
    await cluster.query(
      `CREATE TABLE load${String(table)} AS SELECT n, md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text) AS t FROM generate_series(1, ${String(rowsOfTable)}) n`,
    );
  }
  await cluster.query('CHECKPOINT');
}

/** Each has a home and a slot of its own, so that neither sees the other's backups. */
async function homeFor(cluster: PostgresServer, sshd: Sshd, slot: string): Promise<TestHome> {
  const home = await createTestHome({ global: { compression: '' } });
  await home.writeServer(
    'main',
    streamingServer(cluster, {
      slot_name: slot,
      streaming_archiver_name: slot,
      backup_method: 'rsync',
      backup_options: 'concurrent_backup',
      immediate_checkpoint: true,
      ssh_command: sshd.sshCommand,
    }),
  );
  await startReceiver(home, cluster, slot);
  await runWell(['switch-wal', '--force', '--archive', 'main'], { home });
  return home;
}

async function contenders(
  { ours, theirs, older }: BenchStage,
  words: readonly string[],
  prepare: (home: TestHome) => Promise<void>,
  atMost: number,
): Promise<Record<string, Contender>> {
  const backup = (home: TestHome, program: string): Contender => ({
    prepare: async () => await prepare(home),
    work: async (meter) => {
      const { env = {} } = settingsOf({ home });
      await meter.run({ argv: [program, '-c', home.configFile, 'backup', ...words, 'main'], env });
    },
  });
  return {
    pgcellar: { ...backup(ours, await programPath(ours)), target: { atMost, timesThatOf: 'Barman' } },
    Barman: backup(theirs, requireOracle().program),
    [`Barman ${requireOlderBarman().version}`]: backup(older, requireOlderBarman().program),
  };
}

async function benchFull(stage: BenchStage, runs: number): Promise<BenchTable> {
  const empty = async (home: TestHome): Promise<void> => {
    await removeBackups(home, 0);
    await stage.cluster.query('CHECKPOINT');
  };
  const title = 'backup by rsync over ssh, full, 1.6 GB';
  return await measureInTurn({ title, opponent: 'Barman', runs }, await contenders(stage, [], empty, 0.6));
}

async function benchLinked(stage: BenchStage, runs: number): Promise<BenchTable> {
  const change = async (home: TestHome): Promise<void> => {
    await removeBackups(home, 1);
    await stage.cluster.query(`UPDATE load3 SET t = t WHERE n % 416 = 0`); // 0.02 % of all rows
    await stage.cluster.query('CHECKPOINT');
  };
  const title = 'backup by rsync over ssh, reuse_backup = link after a change of 0.02 %';
  const words = ['--reuse-backup=link'];
  return await measureInTurn({ title, opponent: 'Barman', runs }, await contenders(stage, words, change, 0.4));
}

/** Leaves the newest ones, so that the disk does not fill up. */
async function removeBackups(home: TestHome, left: number): Promise<void> {
  const ids = await namesIn(home.server('main', 'base'));
  for (const id of ids.slice(0, left === 0 ? undefined : -left)) {
    await rm(home.server('main', 'base', id), { recursive: true });
    await rm(join(home.server('main', 'meta'), `${id}-backup.info`), { force: true });
  }
}
