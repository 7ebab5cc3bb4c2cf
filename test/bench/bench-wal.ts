import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { requireOracle } from '../helpers/installations.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath, runPgcellar, settingsOf } from '../helpers/run-pgcellar.ts';
import { runProgram } from '../helpers/run-program.ts';
import { startCluster } from '../helpers/start-cluster.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { type Bench, type BenchTable, type Contender, measureInTurn } from './measure.ts';

const segmentCount = 24;

/** Archiving and fetching real WAL, beside `cp` and the real Barman. */
export const walBench: Bench = {
  name: 'wal',
  run: async ({ runs }) => {
    await using home = await createTestHome({ servers: { main: serverWith('') } });
    const segments = await realWal(home);
    return [
      await benchArchiving(home, { segments, compression: '', runs }),
      await benchArchiving(home, { segments, compression: 'zstd', runs }),
      ...(await benchFetching(home, segments, runs)),
    ];
  },
};

function serverWith(compression: string) {
  return { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres', compression };
}

/** Segments of a cluster that was written to, in a folder of their own. */
async function realWal(home: TestHome): Promise<readonly string[]> {
  await using cluster: PostgresServer = await startCluster({
    major: 15,
    settings: { max_wal_size: '4GB', wal_keep_size: '2GB' },
  });
  await cluster.query('CREATE TABLE load (id bigint, padding text)');
  const insert = `INSERT INTO load SELECT i, md5(i::text) || md5((i + 1)::text) FROM generate_series(1, 400000) i`;
  for (;;) {
    await cluster.query(insert);
    const written = await cluster.value("SELECT count(*) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'");
    if (Number(written) > segmentCount + 1) break;
  }
  await cluster.query('SELECT pg_switch_wal()');
  const folder = await home.makeFolder('segments');
  const source = join(cluster.dataDir, 'pg_wal');
  const names = (await readdir(source))
    .filter((name) => /^[0-9A-F]{24}$/.test(name))
    .toSorted()
    .slice(0, segmentCount);
  for (const name of names) await copyFile(join(source, name), join(folder, name));
  return names.map((name) => join(folder, name));
}

async function benchArchiving(
  home: TestHome,
  { segments, compression, runs }: { segments: readonly string[]; compression: string; runs: number },
): Promise<BenchTable> {
  await home.writeServer('main', serverWith(compression));
  const program = await programPath(home);
  const { env = {} } = settingsOf({ home });
  const fill = async (): Promise<void> => {
    for (const folder of ['wals', 'incoming']) await rm(home.server('main', folder), { recursive: true, force: true });
    for (const folder of ['wals', 'incoming']) await mkdir(home.server('main', folder), { recursive: true });
    for (const path of segments) await copyFile(path, join(home.server('main', 'incoming'), path.slice(-24)));
    await runProgram(['sync'], settingsOf({ home }));
  };
  const archive = (command: string): Contender => ({
    prepare: fill,
    work: async (meter) => {
      await meter.run({ argv: [command, '-c', home.configFile, 'archive-wal', 'main'], env });
      const left = await readdir(home.server('main', 'incoming'));
      if (left.length > 0) throw new Error(`not archived: ${left.join(', ')}`);
    },
  });
  // 3.13.3 has no zstd on Debian's Python
  const opponent: Record<string, Contender> = compression === 'zstd' ? {} : { Barman: archive(requireOracle().program) };
  const name = compression === '' ? 'none' : compression;
  const title = `archive-wal of ${String(segments.length)} segments, compression ${name}`;
  const table = await measureInTurn(
    { title, opponent: compression === 'zstd' ? undefined : 'Barman', runs },
    { pgcellar: archive(program), ...opponent },
  );
  const [ours] = table.rows;
  const perSecond = ours === undefined ? 0 : (segments.length / ours.wallMs.median) * 1000;
  return { ...table, notes: [`pgcellar: ${perSecond.toFixed(0)} segments a second.`] };
}

async function benchFetching(home: TestHome, segments: readonly string[], runs: number): Promise<BenchTable[]> {
  await home.writeServer('main', serverWith(''));
  const barman = await programPath(home, 'barman');
  await using sshd = await startSshd({ programs: { barman }, env: { BARMAN_CONFIG_FILE: home.configFile } });
  const programs = await home.makeFolder('ssh');
  const options = `-i ${sshd.identityFile} -o IdentitiesOnly=yes -o UserKnownHostsFile=${sshd.knownHostsFile} -o BatchMode=yes`;
  await writeFile(join(programs, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F none ${options} "$@"\n`, { mode: 0o755 });
  const data = await home.makeFolder('data');
  await home.makeFolder('data/pg_wal');
  await writeFile(join(data, 'postmaster.pid'), '1\n');
  await runPgcellar(['archive-wal', 'main'], { home });
  for (const path of segments) await copyFile(path, join(home.server('main', 'incoming'), path.slice(-24)));
  await runPgcellar(['archive-wal', 'main'], { home });
  const { env = {} } = settingsOf({ home, path: [programs] });
  const names = segments.map((path) => path.slice(-24));
  /** Every segment once, in order, with a pause as replay takes one. */
  const row = (argvOf: (name: string) => readonly string[], { pauseMs }: { pauseMs: number }): Contender => ({
    prepare: async () => {
      await rm(join(home.folder, 'spool'), { recursive: true, force: true });
      await home.makeFolder('spool');
    },
    work: async (meter) => {
      for (const name of names) {
        await meter.run({ argv: argvOf(name), env, cwd: data });
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    },
  });
  const remote = ['-U', sshd.user, '--port', String(sshd.port)];
  const ours = await programPath(home, 'pgcellar-wal-restore');
  const theirs = join(dirname(requireOracle().program), 'barman-wal-restore');
  const target = ['127.0.0.1', 'main'];
  const contenders = (pauseMs: number): Record<string, Contender> => ({
    cp: row((name) => ['cp', join(home.server('main', 'wals'), name.slice(0, 16), name), 'pg_wal/RECOVERYXLOG'], { pauseMs }),
    'pgcellar-wal-restore -p 8': row(
      (name) => [ours, ...remote, '-p', '8', '--spool-dir', join(home.folder, 'spool'), ...target, name, 'pg_wal/RECOVERYXLOG'],
      { pauseMs },
    ),
    'pgcellar-wal-restore': row((name) => [ours, ...remote, ...target, name, 'pg_wal/RECOVERYXLOG'], { pauseMs }),
    'barman-wal-restore': row((name) => [theirs, ...remote, ...target, name, 'pg_wal/RECOVERYXLOG'], { pauseMs }),
  });
  const tables: BenchTable[] = [];
  for (const pauseMs of [0, 100]) {
    const title = `restore_command over ssh, ${String(names.length)} segments, ${String(pauseMs)} ms of replay after each`;
    tables.push(await measureInTurn({ title, opponent: 'cp', runs }, contenders(pauseMs)));
  }
  return tables;
}
