import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { archivedWalPath } from '../catalog/archive-layout.ts';
import type { Backup } from '../catalog/backup.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, storageOf, writePlainWal } from '../encryption/stored-wal.ts';
import { pathExists } from '../shared/look.ts';
import { type SegmentName, segmentIndex, walKindOf } from '../wal/wal-name.ts';
import type { ArchiveFacts } from './judge-backup.ts';
import type { LineagePart } from './plan-timeline.ts';
import { readEntriesFrom, type WaitingWal } from './read-archive-facts.ts';
import type { RecoveryTarget } from './recovery-target.ts';
import type { RestoreRequest } from './restore-options.ts';
import { lastIndexOf, segmentAfter, selectWals, type WalRange, type WalToCopy } from './select-wals.ts';

/** Consecutive segments that replay needs and that are not there. */
interface WalHole {
  readonly first: SegmentName;
  readonly last: SegmentName;
  readonly segments: number;
}

/** What is known about the WAL of a restore, and what is copied of it. */
export interface WalPlan {
  /** Nothing with `get-wal`. */
  readonly copies: readonly WalToCopy[];
  /** A partial segment of the streaming folder that is taken along, and the whole name that it gets. */
  readonly streamingPartial: { readonly path: string; readonly restoredName: string } | undefined;
  /** First segment that replay reads, and the last one that is there; undefined when the backup does not say where it begins. */
  readonly range: { readonly first: SegmentName; readonly last: SegmentName } | undefined;
  readonly holes: readonly WalHole[];
  /** Plain bytes that are written. */
  readonly bytes: number;
}

export interface WalQuestion {
  readonly server: Server;
  readonly request: Pick<RestoreRequest, 'fetchesWal' | 'takesPartialWal'>;
  readonly backup: Backup;
  readonly target: RecoveryTarget;
  readonly lineage: readonly LineagePart[];
  readonly facts: ArchiveFacts;
  /** What will be archived before the restore. */
  readonly waiting: readonly WaitingWal[];
}

/** Says which WAL a restore needs, what of it is there, and what is copied (engine.md section 12.7, since-3.17.md section 5). */
export async function planWals(question: WalQuestion, signal: AbortSignal): Promise<WalPlan> {
  const { server, request, backup, target, lineage, waiting } = question;
  const { beginWal, endWal, xlogSegmentSize: segmentSize } = backup;
  if (beginWal === null || endWal === null) {
    return { copies: [], streamingPartial: undefined, range: undefined, holes: [], bytes: 0 };
  }
  const { range, holes } = lookAlong(question, beginWal, endWal);
  if (request.fetchesWal) return { copies: [], streamingPartial: undefined, range, holes, bytes: 0 };
  const takesPartial = request.takesPartialWal && target.kind !== 'immediate';
  const wish: WalRange = { beginWal, endWal, segmentSize, lineage, target, takesPartial };
  const entries = [...(await readEntriesFrom(server.layout, beginWal, signal)), ...waiting.map(({ entry }) => entry)];
  const copies = selectWals(entries, wish);
  const next = takesPartial ? segmentAfter(copies, wish) : undefined;
  const path = next === undefined ? undefined : join(server.layout.streaming, `${next}.partial`);
  const isThere = path !== undefined && next !== undefined && (await pathExists(path));
  const streamingPartial = isThere ? { path, restoredName: next } : undefined;
  let bytes = streamingPartial === undefined ? 0 : (await stat(streamingPartial.path)).size;
  for (const copy of copies) bytes += await plainBytesOf(copy, question, segmentSize);
  return { copies, streamingPartial, range, holes, bytes };
}

function lookAlong(
  { backup, target, lineage, facts }: WalQuestion,
  beginWal: SegmentName,
  endWal: SegmentName,
): Pick<WalPlan, 'range' | 'holes'> {
  const segmentSize = backup.xlogSegmentSize;
  const coverage = facts.coverageFor(segmentSize);
  const first = segmentIndex(beginWal, segmentSize);
  const needed = segmentIndex(endWal, segmentSize);
  const newest = Math.max(coverage.lastIndex(lineage) ?? needed, needed);
  const wanted = lastIndexOf({ target, endWal, segmentSize });
  // the segment after an LSN is only read when the LSN ends its own
  const last = wanted === undefined ? newest : Math.min(wanted, newest);
  const holes: WalHole[] = [];
  const isThere = (index: number): boolean => coverage.timeAt(index, lineage, index === last) !== undefined;
  for (let index = first; index <= last; ) {
    if (isThere(index)) {
      index++;
      continue;
    }
    const from = index;
    do index = Math.min(coverage.nextFrom(index + 1, lineage) ?? Infinity, last + 1);
    while (index <= last && !isThere(index));
    holes.push({ first: coverage.nameAt(from, lineage), last: coverage.nameAt(index - 1, lineage), segments: index - from });
  }
  return { range: { first: beginWal, last: coverage.nameAt(last, lineage) }, holes };
}

/** Size of a WAL file as PostgreSQL gets it: only what is no segment and stored packed has to be looked into. */
async function plainBytesOf({ entry }: WalToCopy, { server, waiting }: WalQuestion, segmentSize: number): Promise<number> {
  const kind = walKindOf(entry.name);
  if (kind === 'segment' || kind === 'partial') return segmentSize;
  if (entry.compression === null && entry.encryption === null) return entry.size;
  const storage = storageOf(server);
  const waits = waiting.find((one) => one.entry.name === entry.name);
  let bytes = 0;
  const counter = new Writable({
    write(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done();
    },
  });
  if (waits === undefined) await writePlainWal(archivedWalPath(server.layout, entry.name), counter, storage);
  else await writePlainWal(waits.path, counter, arrivalsOf(storage));
  return bytes;
}
