import { Opened } from '../helpers/opened.ts';
import { makeWal } from './make-wal.ts';
import type { Bench } from './measure.ts';
import { benchArchiveCommand } from './wal-archive-command.ts';
import { benchArchiving } from './wal-archiving.ts';
import { benchReplay } from './wal-replay.ts';
import { benchRestoreCommand } from './wal-restore-command.ts';

/** Enough that the start of a program counts for little. */
const archivedSegments = 64;
const usualSegments = 24;
const replayedSegments = 250;

/** Archiving and restoring real WAL: on the backup host, over ssh, and into a server that replays it. */
export const walBench: Bench = {
  name: 'wal',
  run: async ({ runs, isFull }) => {
    const opened = new Opened();
    try {
      const made = await opened.add(makeWal(isFull ? replayedSegments : archivedSegments));
      const segments = made.segments.slice(0, usualSegments);
      return [
        await benchArchiving({ segments: made.segments.slice(0, archivedSegments), compression: '', runs }),
        await benchArchiving({ segments, compression: 'zstd', runs }),
        await benchArchiveCommand(segments, runs),
        await benchRestoreCommand(segments, runs),
        await benchReplay(isFull ? made : { ...made, segments }, runs),
      ];
    } finally {
      await opened.close();
    }
  },
};
