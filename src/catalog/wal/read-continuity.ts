import { join } from 'node:path';
import type { Context } from '../../shared/context.ts';
import { isMissing, kindOfArrival, namesIn, sizeAndTime } from '../../shared/look.ts';
import { parseSegmentName, type SegmentName } from '../../wal/wal-name.ts';
import { readAnnotations } from '../backups/annotations.ts';
import { type Backup, isCopyDone } from '../backups/backup.ts';
import { readLedger } from '../index/read-ledger.ts';
import type { WalRuns } from '../index/wal-runs.ts';
import type { ServerLayout } from '../server-layout.ts';
import { judgeContinuity, type WalContinuity } from './judge-continuity.ts';
import { type Histories, type HistoryServer, readHistories } from './read-histories.ts';
import type { ArchivedHistories } from './wal-paths.ts';

interface ContinuityOptions {
  readonly server: HistoryServer;
  /** Every backup, oldest first. */
  readonly backups: readonly Backup[];
  /** Backups and WAL are copied from another host, one after the other. */
  readonly isPassive: boolean;
}

export interface ContinuityReport extends WalContinuity {
  /** Segments that are missing in the archive but wait to be archived: no hole. */
  readonly waitingCount: number;
  readonly histories: ArchivedHistories;
  readonly segmentSize: number;
  /** Without these files it is not known what their timelines descend from. */
  readonly unreadable: Histories['unreadable'];
}

/**
 * The continuity of a server's WAL archive, from what is new in the index. Only when something is missing more is looked at: keep
 * annotations, and what waits to be archived.
 * @returns undefined when no backup is copy done: nothing says then what has to be there
 * @throws OperatorError `wal-index-invalid`, `lock-failed` or `interrupted`
 */
export async function readContinuity(
  { server, backups, isPassive }: ContinuityOptions,
  context: Pick<Context, 'log' | 'signal'>,
): Promise<ContinuityReport | undefined> {
  const newest = backups.findLast((backup) => isCopyDone(backup) && backup.beginWal !== null && backup.endWal !== null);
  if (newest === undefined) return undefined;
  const { layout } = server;
  const known = await readArchivedWal(server, newest.xlogSegmentSize, context);
  const always = { backups, doneHasWal: !isPassive };
  const { runs: archived, histories, unreadable } = known;
  const segmentSize = newest.xlogSegmentSize;
  const first = judgeContinuity({ ...always, standalone: new Set(), archived, present: archived, histories });
  if (first.holes.length === 0) return { ...first, waitingCount: 0, histories, segmentSize, unreadable };

  const { keeps } = await readAnnotations(
    layout,
    backups.map(({ id }) => id),
  );
  const standalone = new Set([...keeps].filter(([, target]) => target === 'standalone').map(([id]) => id));
  const waiting = await waitingSegments(layout);
  const again = await readArchivedWal(server, newest.xlogSegmentSize, context); // files that no longer wait were archived meanwhile
  const present = again.runs.copy();
  for (const { name, time } of waiting) present.add(name, time);
  const facts = { ...always, standalone, archived: again.runs, histories: again.histories };
  const without = judgeContinuity({ ...facts, present: again.runs });
  const report = judgeContinuity({ ...facts, present });
  return {
    ...report,
    waitingCount: countMissing(without) - countMissing(report),
    histories: again.histories,
    segmentSize,
    unreadable: again.unreadable,
  };
}

function countMissing({ holes }: WalContinuity): number {
  return holes.reduce((sum, { count }) => sum + count, 0);
}

async function waitingSegments(layout: ServerLayout): Promise<{ name: SegmentName; time: number }[]> {
  const waiting: { name: SegmentName; time: number }[] = [];
  for (const folder of [layout.incoming, layout.streaming]) {
    for (const fileName of await namesIn(folder)) {
      const name = parseSegmentName(fileName);
      if (name === undefined || kindOfArrival(join(folder, fileName)) !== 'file') continue;
      const time = await timeOf(join(folder, fileName));
      if (time !== undefined) waiting.push({ name, time });
    }
  }
  return waiting;
}

/** Undefined when the archiver took the file meanwhile. */
async function timeOf(path: string): Promise<number | undefined> {
  try {
    return (await sizeAndTime(path)).time;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** The content of the archive, as far as its continuity is concerned. */
interface ArchivedWal extends Histories {
  readonly runs: WalRuns;
}

/**
 * Reads which segments and histories the archive holds.
 * @throws OperatorError `wal-index-invalid`, `lock-failed` or `interrupted`
 */
export async function readArchivedWal(
  server: HistoryServer,
  segmentSize: number,
  context: Pick<Context, 'log' | 'signal'>,
): Promise<ArchivedWal> {
  const ledger = await readLedger(server.layout, context);
  const names = ledger.histories.map(({ name }) => name);
  return { runs: ledger.runs(segmentSize), ...(await readHistories(server, names, context)) };
}
