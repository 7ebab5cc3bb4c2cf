import { Opened } from '../helpers/opened.ts';
import { makePgbenchWal } from './make-pgbench-wal.ts';
import { makeWal } from './make-wal.ts';
import type { Bench } from './measure.ts';
import { benchArchiveCommand } from './wal-archive-command.ts';
import { benchArchiving } from './wal-archiving.ts';
import { benchQuickReplay } from './wal-quick-replay.ts';
import { benchReplay } from './wal-replay.ts';
import { benchRestoreCommand } from './wal-restore-command.ts';

/** Enough that the start of a program counts for little. */
const archivedSegments = 64;
/** Of these each is sent by a program of its own. */
const sentSegments = 12;
const replayedSegments = 250;
/** Of pgbench. */
const replayedQuickly = 115;
/** So few that only the first and the last calls count. */
const replayedSoon = 5;
/** Half of each row is an md5: next to nothing can be saved on it. */
const origin = 'md5 sums';

/** Archiving and restoring real WAL: on the backup host, over ssh, and into a server that replays it. */
export const walBench: Bench = {
  name: 'wal',
  run: async ({ runs, isFull }) => {
    const opened = new Opened();
    try {
      const made = await opened.add(makeWal(replayedSegments));
      const pgbench = await opened.add(makePgbenchWal(replayedQuickly));
      const archivedPgbench = { ...pgbench, segments: pgbench.segments.slice(0, archivedSegments >> 1) };
      const archived = made.segments.slice(0, archivedSegments);
      const sent = made.segments.slice(0, sentSegments);
      return [
        await benchArchiving({ segments: archived, compression: '', origin, base: made.base, runs }),
        await benchArchiving({ segments: archived, compression: 'zstd', origin, base: made.base, runs }),
        await benchArchiving({ ...archivedPgbench, compression: 'zstd', origin: 'pgbench', runs }),
        await benchArchiving({ ...archivedPgbench, compression: 'gzip', origin: 'pgbench', runs: Math.min(runs, 3) }),
        await benchArchiveCommand(sent, runs),
        await benchRestoreCommand(sent, made.base, runs),
        await benchQuickReplay(pgbench, Math.min(runs, 3)),
        await benchQuickReplay({ ...pgbench, segments: pgbench.segments.slice(0, replayedSoon) }, runs),
        await benchReplay(made, { runs: Math.min(runs, 3), opponentRuns: isFull ? Math.min(runs, 3) : 1 }),
      ];
    } finally {
      await opened.close();
    }
  },
};
