import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { requireOracle } from '../helpers/installations.ts';
import { Opened } from '../helpers/opened.ts';
import type { PostgresServer } from '../helpers/postgres-server.ts';
import { programPath } from '../helpers/run-pgcellar.ts';
import { runWell } from '../helpers/run-well.ts';
import { startRestored } from '../helpers/start-restored.ts';
import { startSshd } from '../helpers/start-sshd.ts';
import { createTemporaryFolder } from '../helpers/temporary-folder.ts';
import { createTestHome, type TestHome } from '../helpers/test-home.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { type MadeWal, walMajor } from './make-wal.ts';
import { type BenchTable, type Contender, measureInTurn } from './measure.ts';

interface ReplayOptions {
  readonly runs: number;
  /** Barman's helpers take minutes. */
  readonly opponentRuns: number;
}

/** A server that replays all segments through its restore_command and is promoted: from its start to the end of recovery. */
export async function benchReplay({ base, segments }: MadeWal, { runs, opponentRuns }: ReplayOptions): Promise<BenchTable> {
  const opened = new Opened();
  try {
    const home = await archiveOf(opened, segments);
    const work = (await opened.add(createTemporaryFolder('wr', { owner: 'server' }))).path;
    const ssh = async (barman: string) => await openWay(opened, { home, barman });
    const ours = await ssh(await programPath(home, 'barman'));
    const theirs = await ssh(requireOracle().program);
    const helper = await programPath(home, 'pgcellar-wal-restore');
    const barmanHelper = join(dirname(requireOracle().program), 'barman-wal-restore');
    const spools = (name: string) => `--spool-dir ${join(work, name)}`;
    const replay = (command: string, path: string): Contender => ({
      prepare: async () => {
        for (const name of ['data', 'spool', 'barman-spool']) await rm(join(work, name), { recursive: true, force: true });
        for (const name of ['spool', 'barman-spool']) await mkdir(join(work, name), { mode: 0o777 });
        for (const name of ['spool', 'barman-spool']) await chmod(join(work, name), 0o777);
        await promisify(execFile)('cp', ['-a', base, join(work, 'data')]);
        await writeFile(join(work, 'data', 'recovery.signal'), '');
      },
      work: async (meter) => {
        const settings = { restore_command: command, shared_buffers: '256MB', max_wal_size: '8GB' };
        let server: PostgresServer | undefined;
        await meter.during(async () => {
          const dataDir = join(work, 'data');
          const started = await startRestored({ dataDir, major: walMajor, settings, env: { PATH: path } });
          server = started;
          const isOver = async () => (await started.value('SELECT pg_is_in_recovery()')) === 'false';
          await waitFor('recovery ends', isOver, { timeoutMs: 3_600_000, everyMs: 20 }); // an opponent may take half an hour
        });
        await server?.[Symbol.asyncDispose]();
      },
    });
    const from = dirname(segments[0] ?? '');
    const contenders: Record<string, Contender> = {
      'cp from a local folder': replay(`cp ${from}/%f %p`, '/usr/bin:/bin'),
      'pgcellar-wal-restore -p 8': {
        ...replay(`${helper} ${ours.words} -p 8 ${spools('spool')} 127.0.0.1 main %f %p`, ours.path),
        target: { atMost: 1.11, timesThatOf: 'cp from a local folder' },
      },
      'barman-wal-restore': {
        ...replay(`${barmanHelper} ${theirs.words} ${spools('barman-spool')} 127.0.0.1 main %f %p`, theirs.path),
        runs: opponentRuns,
      },
      'barman-wal-restore -p 4': {
        ...replay(`${barmanHelper} ${theirs.words} -p 4 ${spools('barman-spool')} 127.0.0.1 main %f %p`, theirs.path),
        runs: opponentRuns,
      },
    };
    const title = `Replay of ${String(segments.length)} segments over ssh`;
    return await measureInTurn({ title, opponent: 'cp from a local folder', runs }, contenders);
  } finally {
    await opened.close();
  }
}

async function archiveOf(opened: Opened, segments: readonly string[]): Promise<TestHome> {
  const main = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
  const home = await opened.add(createTestHome({ servers: { main } }));
  const incoming = await home.makeFolder('home/main/incoming');
  for (const path of segments) await copyFile(path, join(incoming, basename(path)));
  await runWell(['archive-wal', 'main'], { home });
  return home;
}

/** How PostgreSQL's user gets to the backup host: words for the helper, and a PATH with an `ssh` that has its key. */
async function openWay(
  opened: Opened,
  { home, barman }: { readonly home: TestHome; readonly barman: string },
): Promise<{ readonly words: string; readonly path: string }> {
  const sshd = await opened.add(
    startSshd({ client: 'server', programs: { barman }, env: { BARMAN_CONFIG_FILE: home.configFile } }),
  );
  const folder = (await opened.add(createTemporaryFolder('ws', { owner: 'server' }))).path;
  const options = `-i ${sshd.identityFile} -o IdentitiesOnly=yes -o UserKnownHostsFile=${sshd.knownHostsFile} -o BatchMode=yes`;
  await writeFile(join(folder, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F none ${options} "$@"\n`);
  await chmod(join(folder, 'ssh'), 0o755);
  return { words: `-U ${sshd.user} --port ${String(sshd.port)}`, path: `${folder}:/usr/local/bin:/usr/bin:/bin` };
}
