import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../../shared/context.ts';
import { isMissing } from '../../shared/look.ts';
import { type Lsn, lsnFromBytes } from '../../wal/lsn.ts';
import { historyNameOf, type TimelineSwitch } from '../../wal/timeline-history.ts';
import { validEnd } from '../../wal/valid-end.ts';
import { nextSegment, parseWalName, type SegmentName, segmentStart, timelineOf } from '../../wal/wal-name.ts';
import { readLedger } from '../index/read-ledger.ts';
import { listStreamed } from './list-streamed.ts';
import { type HistoryServer, readHistories, readHistoryFile } from './read-histories.ts';

/** The WAL that a catalog ends with. */
export interface HeldWal {
  /** The newest file of the receiver's folder; with an empty folder the newest archived segment of the highest timeline. */
  readonly newest: { readonly segment: SegmentName; readonly isPartial: boolean; readonly isArchived: boolean };
  /** The end of its last valid record, or of the segment. */
  readonly end: Lsn;
  /** Where its timeline comes from; undefined where the catalog does not say. */
  readonly history: readonly TimelineSwitch[] | undefined;
}

/** Two of them fit into the memory of a command. */
const mostPartialBytes = 64 << 20;

/**
 * Reads how far the WAL of a catalog reaches; undefined for one that has none. A brief look takes a partial segment for empty.
 * @throws OperatorError `wal-index-invalid`, `lock-failed` or `interrupted`
 */
export async function readHeldWal(
  server: HistoryServer,
  { segmentSize, isBrief }: { readonly segmentSize: number; readonly isBrief: boolean },
  context: Pick<Context, 'log' | 'signal'>,
): Promise<HeldWal | undefined> {
  const { layout } = server;
  const ledger = await readLedger(layout, context);
  const streamed = (await listStreamed(layout, segmentSize)).at(-1);
  const archived = streamed === undefined ? ledger.timelines.at(-1) : undefined;
  const segment = streamed?.segment ?? archived?.nameAt(archived.count - 1);
  if (segment === undefined) return undefined;
  const isPartial = streamed?.isPartial ?? false;
  const end =
    streamed !== undefined && isPartial
      ? await endOfPartial(join(layout.streaming, streamed.name), { segment, segmentSize, isBrief })
      : segmentStart(nextSegment(segment, segmentSize), segmentSize);
  const history = await readHistory(server, timelineOf(segment), context);
  return { newest: { segment, isPartial, isArchived: streamed === undefined }, end, history };
}

interface Partial {
  readonly segment: SegmentName;
  readonly segmentSize: number;
  readonly isBrief: boolean;
}

async function endOfPartial(path: string, { segment, segmentSize, isBrief }: Partial): Promise<Lsn> {
  const start = segmentStart(segment, segmentSize);
  if (isBrief) return start;
  try {
    if ((await stat(path)).size > mostPartialBytes) return start;
    const end = validEnd(await readFile(path)) ?? 0;
    return lsnFromBytes(start + BigInt(Math.ceil(end / 8) * 8)); // where the next record would begin, as PostgreSQL names it
  } catch (error) {
    if (isMissing(error)) return start; // the receiver has just finished it
    throw error;
  }
}

/** From the archive, or from the receiver's folder where it waits for that. */
async function readHistory(
  server: HistoryServer,
  timeline: number,
  context: Pick<Context, 'log' | 'signal'>,
): Promise<readonly TimelineSwitch[] | undefined> {
  const name = parseWalName(historyNameOf(timeline));
  if (name === undefined || timeline <= 1) return undefined;
  const ledger = await readLedger(server.layout, context);
  if (ledger.has(name)) return (await readHistories(server, [name], context)).histories.get(timeline);
  try {
    const { arrivalsOf, storageOf } = await import('../../encryption/stored-wal.ts');
    return await readHistoryFile(join(server.layout.streaming, name), name, arrivalsOf(storageOf(server)));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
