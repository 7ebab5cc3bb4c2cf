import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Opened } from '../helpers/opened.ts';
import { programPath } from '../helpers/run-pgcellar.ts';
import type { MadeWal } from './make-wal.ts';
import { type BenchTable, type Contender, measureInTurn } from './measure.ts';
import { ReplayRoom } from './wal-replay.ts';

/** Half of a round trip. */
const oneWayMs = 10;
const oneCat = 'one ssh ... cat of all of them';

/**
 * Replay of segments that PostgreSQL replays quickly, so that it is the fetching that counts: without an option, with `-p 8`, and, as the
 * limit that two processors and ssh set, with one `ssh ... cat` that brings the same bytes.
 */
export async function benchQuickReplay(made: MadeWal, runs: number): Promise<BenchTable> {
  const opened = new Opened();
  try {
    const room = await ReplayRoom.open(opened, made);
    const way = await room.way(await programPath(room.home, 'barman'));
    const helper = await programPath(room.home, 'pgcellar-wal-restore');
    const from = await linksTo(room, made.segments); // the folder may hold more of them
    const count = made.segments.length;
    const farWay = await room.way(await programPath(room.home, 'barman'), oneWayMs);
    const ours = (option: string, { words, path } = way): Contender =>
      room.replay(`${helper} ${words} ${option} ${room.spool('spool')} 127.0.0.1 main %f %p`, path);
    const cp = 'cp from a local folder';
    const target =
      count < 10 ? ({ atMost: 1, timesThatOf: cp, plusMs: 1000 } as const) : ({ atMost: 1.11, timesThatOf: cp } as const);
    const contenders: Record<string, Contender> = {
      [cp]: room.replay(`cp ${from}/%f %p`, '/usr/bin:/bin'),
      [oneCat]: await catting(room, { login: way.login, path: way.path, segments: made.segments }),
      'pgcellar-wal-restore': { ...ours(''), target },
      'pgcellar-wal-restore -p 8': { ...ours('-p 8'), target },
      'pgcellar-wal-restore, 20 ms away': {
        ...ours('', farWay),
        target: { atMost: 1.11, timesThatOf: 'pgcellar-wal-restore', plusMs: count < 10 ? 1000 : 0 },
      },
    };
    const title = `Replay of ${String(count)} segments of pgbench over ssh`;
    const table = await measureInTurn({ title, opponent: cp, runs }, contenders);
    const msOf = (wanted: string): number => table.rows.find(({ name }) => name === wanted)?.wallMs.median ?? Number.NaN;
    const ofCat = (msOf(oneCat) / msOf('pgcellar-wal-restore')).toFixed(2);
    return {
      ...table,
      notes: [
        `With cp a segment takes ${(msOf(cp) / count).toFixed(0)} ms, start and end of the server included.`,
        `Without an option, replay runs at ${ofCat} of the rate with one ssh ... cat.`,
      ],
    };
  } finally {
    await opened.close();
  }
}

async function linksTo(room: ReplayRoom, segments: readonly string[]): Promise<string> {
  const folder = join(room.work, 'segments');
  await mkdir(folder, { mode: 0o755 });
  for (const segment of segments) await symlink(segment, join(folder, basename(segment)));
  return folder;
}

interface Catting {
  readonly login: string;
  readonly path: string;
  readonly segments: readonly string[];
}

/** The first call starts one `ssh ... cat`, and each waits for its file, which stays: PostgreSQL asks twice for the first one. */
async function catting(room: ReplayRoom, { login, path, segments }: Catting): Promise<Contender> {
  const folder = join(room.work, 'cat');
  const names = segments.map((segment) => segment.slice(-24));
  const stored = names.map((name) => room.home.server('main', 'wals', name.slice(0, 16), name));
  const script = join(room.work, 'cat.sh');
  const receive = `for name in ${names.join(' ')}; do dd of=${folder}/$name.new bs=1M count=16 iflag=fullblock status=none || exit; mv ${folder}/$name.new ${folder}/$name; done`;
  await writeFile(
    script,
    `case ' ${names.join(' ')} ' in *" $1 "*) ;; *) exit 1 ;; esac
if [ ! -e ${folder}/begun ]; then
  touch ${folder}/begun
  (${login} 'cat ${stored.join(' ')}' | { ${receive}; }) </dev/null >/dev/null 2>&1 &
fi
while [ ! -e ${folder}/$1 ]; do sleep 0.002; done
ln ${folder}/$1 $2
`,
  );
  return room.replay(`sh ${script} %f %p`, path, async () => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o777 });
    await chmod(folder, 0o777);
  });
}
