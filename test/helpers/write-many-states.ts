// A home in which the real Barman has worked: servers and backups in every state that a listing can show.
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { PostgresServer } from './postgres-server.ts';
import { runOracle } from './run-oracle.ts';
import { streamingServer, type TestHome } from './test-home.ts';
import { waitFor } from './wait-for.ts';

interface States {
  readonly home: TestHome;
  /** With archive_mode and summarize_wal on. */
  readonly cluster: PostgresServer;
  /** A folder of the server's user for a tablespace. */
  readonly tablespace: string;
}

const manually = { streaming_archiver: 'off', archiver: 'on', create_slot: 'manual', immediate_checkpoint: true } as const;

/**
 * `main` has backups that are DONE (`weekly`, `nightly`, which is kept, `increment` on top of it), WAITING_FOR_WALS (`waits`) and FAILED
 * (`broken`); `judged` has the same under a policy, and a model; `Fresh` streams and has none; `files` is for rsync; `idle` is inactive,
 * `copy` passive, `hurt` disabled, and the server of `down` does not answer.
 */
export async function writeManyStates({ home, cluster, tablespace }: States): Promise<void> {
  const server = { ...streamingServer(cluster, manually), slot_name: 'unused' };
  await home.writeServer('main', server);
  await fillMain({ home, cluster, tablespace });
  await home.writeServer('judged', {
    ...server,
    retention_policy: 'REDUNDANCY 1',
    minimum_redundancy: 2,
    last_backup_maximum_age: '1 DAY',
    last_wal_maximum_age: '4 HOURS',
  });
  await home.writeFile(
    'barman.d/model.conf',
    '[judged:other]\nmodel = true\ncluster = judged\nretention_policy = REDUNDANCY 3\n',
  );
  await copyServer(home, 'main', 'judged');
  await home.writeServer('Fresh', {
    ...streamingServer(cluster, { slot_name: 'fresh', create_slot: 'manual', compression: 'gzip', check_timeout: 6 }),
    retention_policy: 'RECOVERY WINDOW OF 7 DAYS',
    last_backup_maximum_age: '1 WEEK',
    minimum_redundancy: 1,
  });
  const files = { backup_method: 'local-rsync', backup_options: 'concurrent_backup', reuse_backup: 'link', check_timeout: 6 };
  await home.writeServer('files', { ...server, ...files });
  await home.writeServer('idle', { ...server, active: 'false' });
  await home.writeServer('copy', { primary_ssh_command: 'false', backup_method: 'postgres' });
  const withoutSlot = Object.fromEntries(Object.entries(server).filter(([key]) => key !== 'slot_name'));
  await home.writeServer('hurt', { ...withoutSlot, streaming_archiver: 'on', archiver: 'off' });
  const nobody = 'host=127.0.0.1 port=1 user=barman dbname=postgres';
  const streams = { conninfo: nobody, streaming_conninfo: nobody, streaming_archiver: 'on', check_timeout: 6 };
  await home.writeServer('down', { ...server, ...streams });
}

async function fillMain({ home, cluster, tablespace }: States): Promise<void> {
  const incoming = home.server('main', 'incoming');
  await mkdir(incoming, { recursive: true });
  await chmod(incoming, 0o777);
  await cluster.query(`ALTER SYSTEM SET archive_command = 'cp %p ${incoming}/%f.tmp && mv ${incoming}/%f.tmp ${incoming}/%f'`);
  cluster.reload();
  const run = async (...words: readonly string[]): Promise<void> => {
    const { exitCode, stdout, stderr } = await runOracle(words, { home });
    expect(exitCode, `${words.join(' ')}: ${stdout}${stderr}`).toBe(0);
  };
  const archiveSegment = async (): Promise<void> => {
    await cluster.query("SELECT pg_logical_emit_message(true, 'test', '')");
    const name = await cluster.value('SELECT pg_walfile_name(pg_switch_wal())');
    await waitFor(`${name} arrives`, () => existsSync(join(incoming, name)));
    await run('archive-wal', 'main');
  };
  await archiveSegment();
  await cluster.query(`CREATE TABLESPACE far LOCATION '${tablespace}'`);
  await cluster.query("CREATE TABLE far TABLESPACE far AS SELECT 'far away' AS where_it_is");
  for (const words of ['weekly', 'nightly', 'increment --incremental nightly']) {
    await run('backup', '--name', ...words.split(' '), 'main');
    await archiveSegment();
    await run('check-backup', 'main', 'latest');
  }
  await run('keep', '--target', 'standalone', 'main', 'nightly');
  await addFailedBackup(home);
  await run('backup', '--name', 'waits', 'main');
}

/** A copy of the first record, as a failure leaves it. */
async function addFailedBackup(home: TestHome): Promise<void> {
  const meta = home.server('main', 'meta');
  const [first = ''] = (await readdir(meta)).filter((name) => name.endsWith('-backup.info')).toSorted();
  const record = (await readFile(join(meta, first), 'utf8'))
    .replace(/^status=.*$/m, 'status=FAILED')
    .replace(/^error=.*$/m, 'error=failure while copying')
    .replace(/^backup_name=.*$/m, 'backup_name=broken')
    .replace(/^begin_time=.*$/m, 'begin_time=2020-01-02 03:04:05.000000+00:00')
    .replaceAll(/^end_(time|wal|xlog|offset)=.*$/gm, 'end_$1=None');
  await writeFile(join(meta, '20200102T030405-backup.info'), record);
  await mkdir(home.server('main', 'base', '20200102T030405', 'data'), { recursive: true });
}

async function copyServer(home: TestHome, from: string, to: string): Promise<void> {
  await cp(home.server(from), home.server(to), { recursive: true, preserveTimestamps: true });
  for (const folder of ['wals', 'meta']) {
    const index = home.server(to, folder, `${from}-xlog.db`);
    if (existsSync(index)) await rename(index, home.server(to, folder, `${to}-xlog.db`));
  }
  for (const name of (await readdir(home.server(to, 'meta'))).filter((entry) => entry.endsWith('.info'))) {
    const path = home.server(to, 'meta', name);
    await writeFile(path, (await readFile(path, 'utf8')).replace(`server_name=${from}`, `server_name=${to}`));
  }
}
