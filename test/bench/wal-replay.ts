import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { openDelayedLink } from '../helpers/delayed-link.ts';
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

/** A place where a server replays segments of an archive. */
export class ReplayRoom {
  readonly #opened: Opened;
  readonly #made: MadeWal;
  readonly home: TestHome;
  readonly work: string;

  private constructor(opened: Opened, made: MadeWal, places: { readonly home: TestHome; readonly work: string }) {
    this.#opened = opened;
    this.#made = made;
    this.home = places.home;
    this.work = places.work;
  }

  static async open(opened: Opened, made: MadeWal): Promise<ReplayRoom> {
    const home = await archiveOf(opened, made.segments);
    return new ReplayRoom(opened, made, {
      home,
      work: (await opened.add(createTemporaryFolder('wr', { owner: 'server' }))).path,
    });
  }

  /** A way to the backup host whose program is `barman`, over a link with a delay where one is given. */
  async way(barman: string, delayMs = 0): Promise<Way> {
    return await openWay(this.#opened, { home: this.home, barman, delayMs });
  }

  /** Word for a helper. */
  spool(name: string): string {
    return `--spool-dir ${join(this.work, name)}`;
  }

  /** From the start of the server to the end of recovery. @param prepareMore what the command needs beside a data folder */
  replay(command: string, path: string, prepareMore: () => Promise<void> = () => Promise.resolve()): Contender {
    const { work } = this;
    const dataDir = join(work, 'data');
    return {
      prepare: async () => {
        for (const name of ['data', 'spool', 'barman-spool']) await rm(join(work, name), { recursive: true, force: true });
        for (const name of ['spool', 'barman-spool']) await mkdir(join(work, name), { mode: 0o777 });
        for (const name of ['spool', 'barman-spool']) await chmod(join(work, name), 0o777);
        await promisify(execFile)('cp', ['-a', this.#made.base, dataDir]);
        await writeFile(join(dataDir, 'recovery.signal'), '');
        await prepareMore();
      },
      work: async (meter) => {
        const settings = { restore_command: command, shared_buffers: '256MB', max_wal_size: '8GB' };
        let server: PostgresServer | undefined;
        await meter.during(async () => {
          const started = await startRestored({ dataDir, major: walMajor, settings, env: { PATH: path } });
          server = started;
          const isOver = async () => (await started.value('SELECT pg_is_in_recovery()')) === 'false';
          await waitFor('recovery ends', isOver, { timeoutMs: 3_600_000, everyMs: 20 }); // an opponent may take half an hour
        });
        await server?.[Symbol.asyncDispose]();
      },
    };
  }
}

/** A server that replays all segments through its restore_command and is promoted: from its start to the end of recovery. */
export async function benchReplay(made: MadeWal, { runs, opponentRuns }: ReplayOptions): Promise<BenchTable> {
  const opened = new Opened();
  try {
    const { segments } = made;
    const room = await ReplayRoom.open(opened, made);
    const ours = await room.way(await programPath(room.home, 'barman'));
    const theirs = await room.way(requireOracle().program);
    const helper = await programPath(room.home, 'pgcellar-wal-restore');
    const barmanHelper = join(dirname(requireOracle().program), 'barman-wal-restore');
    const from = dirname(segments[0] ?? '');
    const contenders: Record<string, Contender> = {
      'cp from a local folder': room.replay(`cp ${from}/%f %p`, '/usr/bin:/bin'),
      'pgcellar-wal-restore': {
        ...room.replay(`${helper} ${ours.words} ${room.spool('spool')} 127.0.0.1 main %f %p`, ours.path),
        target: { atMost: 1.11, timesThatOf: 'cp from a local folder' },
      },
      'pgcellar-wal-restore -p 8': {
        ...room.replay(`${helper} ${ours.words} -p 8 ${room.spool('spool')} 127.0.0.1 main %f %p`, ours.path),
        target: { atMost: 1.11, timesThatOf: 'cp from a local folder' },
      },
      'barman-wal-restore': {
        ...room.replay(`${barmanHelper} ${theirs.words} ${room.spool('barman-spool')} 127.0.0.1 main %f %p`, theirs.path),
        runs: opponentRuns,
      },
      'barman-wal-restore -p 4': {
        ...room.replay(`${barmanHelper} ${theirs.words} -p 4 ${room.spool('barman-spool')} 127.0.0.1 main %f %p`, theirs.path),
        runs: opponentRuns,
      },
    };
    const title = `Replay of ${String(segments.length)} segments over ssh`;
    return await measureInTurn({ title, opponent: 'cp from a local folder', runs }, contenders);
  } finally {
    await opened.close();
  }
}

/** How PostgreSQL's user gets to the backup host: words for the helper, and a PATH with an `ssh` that has its key. */
interface Way {
  readonly words: string;
  readonly path: string;
  /** `ssh` and the host, for a command without a helper. */
  readonly login: string;
}

async function archiveOf(opened: Opened, segments: readonly string[]): Promise<TestHome> {
  const main = { conninfo: 'host=127.0.0.1 port=1', archiver: true, backup_method: 'postgres' };
  const home = await opened.add(createTestHome({ servers: { main } }));
  const incoming = await home.makeFolder('home/main/incoming');
  for (const path of segments) await copyFile(path, join(incoming, basename(path)));
  await runWell(['archive-wal', 'main'], { home });
  return home;
}

async function openWay(
  opened: Opened,
  { home, barman, delayMs }: { readonly home: TestHome; readonly barman: string; readonly delayMs: number },
): Promise<Way> {
  const sshd = await opened.add(
    startSshd({ client: 'server', programs: { barman }, env: { BARMAN_CONFIG_FILE: home.configFile } }),
  );
  const folder = (await opened.add(createTemporaryFolder('ws', { owner: 'server' }))).path;
  const key = `HostKeyAlias=[127.0.0.1]:${String(sshd.port)}`;
  const options = `-i ${sshd.identityFile} -o IdentitiesOnly=yes -o UserKnownHostsFile=${sshd.knownHostsFile} -o ${key} -o BatchMode=yes`;
  await writeFile(join(folder, 'ssh'), `#!/bin/sh\nexec /usr/bin/ssh -F none ${options} "$@"\n`);
  await chmod(join(folder, 'ssh'), 0o755);
  const port = delayMs === 0 ? sshd.port : (await opened.add(openDelayedLink(sshd.port, delayMs))).port;
  return {
    words: `-U ${sshd.user} --port ${String(port)}`,
    path: `${folder}:/usr/local/bin:/usr/bin:/bin`,
    login: `ssh -p ${String(port)} ${sshd.user}@127.0.0.1`,
  };
}
