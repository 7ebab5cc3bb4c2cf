import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readLedger } from '../../catalog/index/read-ledger.ts';
import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import type { ServerLayout } from '../../catalog/server-layout.ts';
import { readHistories, readHistoryFile } from '../../catalog/wal/read-histories.ts';
import type { Server } from '../../config/server.ts';
import { arrivalsOf, storageOf } from '../../encryption/stored-wal.ts';
import type { Context } from '../../shared/context.ts';
import { isMissing, kindOfArrival, namesIn } from '../../shared/look.ts';
import { messageOf, OperatorError, systemCodeOf } from '../../shared/operator-error.ts';
import { localTimestamp } from '../../shared/timestamp.ts';
import type { TimelineSwitch } from '../../wal/timeline-history.ts';
import { parseWalName, segmentOf, timelineOf, type WalName, walKindOf } from '../../wal/wal-name.ts';
import type { ArchiveFacts } from '../guards/judge-backup.ts';
import { WalCoverage } from '../wal/wal-coverage.ts';

interface ReadingOptions {
  /** Segment sizes of the backups that come into question: one, unless the server was built anew. */
  readonly segmentSizes: ReadonlySet<number>;
  /** Files that wait in the incoming and streaming folders count: `get-wal` hands them out, and a restore archives them first. */
  readonly countsArrivals: boolean;
  readonly countsPartial: boolean;
}

/** Looks through the WAL index, and reads every history file, once. */
export async function readArchiveFacts(
  server: Server,
  options: ReadingOptions,
  context: Pick<Context, 'clock' | 'log' | 'signal'>,
): Promise<ArchiveFacts> {
  const ledger = await readLedger(server.layout, context);
  const coverages = new Map([...options.segmentSizes].map((size) => [size, new WalCoverage(size, ledger)]));
  const count = ({ name, time }: Pick<WalEntry, 'name' | 'time'>): void => {
    const kind = walKindOf(name);
    const segment = segmentOf(name);
    if (segment === undefined || (kind !== 'segment' && !(kind === 'partial' && options.countsPartial))) return;
    for (const coverage of coverages.values()) coverage.add(segment, time);
  };
  ledger.others.forEach(count);
  const names = ledger.histories.map(({ name }) => name);
  const { histories: archived, unreadable } = await readHistories(server, names, context);
  for (const { name, reason } of unreadable) context.log.warning(`the history file ${name} cannot be used: ${reason}`);
  const histories = new Map(archived);
  if (options.countsArrivals) {
    for (const folder of [server.layout.incoming, server.layout.streaming]) {
      const arrivals = await arrivalsIn(folder);
      arrivals.forEach(count);
      for (const { name } of arrivals) {
        if (walKindOf(name) !== 'history' || histories.has(timelineOf(name))) continue;
        const history = await readWaitingHistory(server, join(folder, name), name, context);
        if (history !== undefined) histories.set(timelineOf(name), history);
      }
    }
  }
  const coverageFor = (size: number): WalCoverage => coverages.get(size) ?? new WalCoverage(size);
  return { histories, coverageFor, now: localTimestamp(context.clock.now()) };
}

/** A WAL file that waits to be archived. */
export interface WaitingWal {
  readonly entry: WalEntry;
  readonly path: string;
}

/**
 * The files that the archiver would archive now: everything that waits, but for the partial segment that is being received.
 */
export async function readWaitingWals(layout: ServerLayout): Promise<readonly WaitingWal[]> {
  const waiting: WaitingWal[] = [];
  for (const folder of [layout.incoming, layout.streaming]) {
    const arrivals = (await arrivalsIn(folder)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const newestPartial =
      folder === layout.streaming ? arrivals.findLast(({ name }) => walKindOf(name) === 'partial') : undefined;
    for (const arrival of arrivals) {
      if (arrival === newestPartial) continue;
      const path = join(folder, arrival.name);
      waiting.push({ entry: { ...arrival, compression: null, encryption: null }, path });
    }
  }
  return waiting;
}

/** Entries of the index from a name on, and the history files. */
export async function readEntriesFrom(layout: ServerLayout, first: WalName, signal: AbortSignal): Promise<WalEntry[]> {
  const ledger = await readLedger(layout, { signal });
  const others = ledger.others.filter(({ name }) => name >= first || walKindOf(name) === 'history');
  return [...ledger.segments(segmentOf(first)), ...others];
}

async function arrivalsIn(folder: string): Promise<{ name: WalName; time: number; size: number }[]> {
  const arrivals: { name: WalName; time: number; size: number }[] = [];
  for (const fileName of await namesIn(folder)) {
    const name = parseWalName(fileName);
    if (name === undefined || kindOfArrival(join(folder, fileName)) !== 'file') continue;
    const facts = await factsOf(join(folder, fileName));
    if (facts !== undefined) arrivals.push({ name, ...facts });
  }
  return arrivals;
}

/** Undefined when the archiver moved the file meanwhile: then it was counted in the archive, or the next look finds it. */
async function factsOf(path: string): Promise<{ readonly time: number; readonly size: number } | undefined> {
  try {
    const { mtimeMs, size } = await stat(path);
    return { time: mtimeMs / 1000, size };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** One that waits and cannot be read yet stands in nobody's way: its timeline then counts as unknown. */
async function readWaitingHistory(
  server: Server,
  path: string,
  name: WalName,
  { log }: Pick<Context, 'log'>,
): Promise<readonly TimelineSwitch[] | undefined> {
  try {
    return await readHistoryFile(path, name, arrivalsOf(storageOf(server)));
  } catch (error) {
    if (!(error instanceof OperatorError) && systemCodeOf(error) === undefined) throw error;
    log.warning(`the history file ${name}, which waits to be archived, cannot be used: ${messageOf(error)}`);
    return undefined;
  }
}
