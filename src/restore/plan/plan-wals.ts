import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Writable } from 'node:stream';
import type { Backup } from '../../catalog/backups/backup.ts';
import type { WalEntry } from '../../catalog/index/wal-entry.ts';
import { walArchiveOf } from '../../catalog/wal/wal-archive.ts';
import type { Server } from '../../config/server.ts';
import { arrivalsOf, storageOf, writePlainWal } from '../../encryption/stored-wal.ts';
import { isMissing } from '../../shared/look.ts';
import { type SegmentName, segmentAtLsn, segmentIndex, segmentOf, timelineOf, walKindOf } from '../../wal/wal-name.ts';
import type { ArchiveFacts } from '../guards/judge-backup.ts';
import type { RecoveryTarget } from '../target/recovery-target.ts';
import { lastIndexOf, segmentAfter, selectWals, type WalRange, type WalToCopy } from '../wal/select-wals.ts';
import type { TimelinePlan } from './plan-timeline.ts';
import { readEntriesFrom, type WaitingWal } from './read-archive-facts.ts';
import type { RestoreRequest } from './restore-options.ts';

const pageMagicBytes = 2;

/** Consecutive segments that replay needs and that are not there. */
interface WalHole {
  readonly first: SegmentName;
  readonly last: SegmentName;
  readonly segments: number;
}

/** The facts about the WAL of a restore, and the files that are copied. */
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
  /** Notes for the operator about WAL that is not copied. */
  readonly warnings: readonly string[];
}

/** When nothing is known. */
export const noWal: WalPlan = {
  copies: [],
  streamingPartial: undefined,
  range: undefined,
  holes: [],
  bytes: 0,
  warnings: [],
};

export interface WalQuestion {
  readonly server: Server;
  readonly request: Pick<RestoreRequest, 'fetchesWal' | 'takesPartialWal' | 'standbyMode' | 'allowed'>;
  readonly backup: Backup;
  readonly target: RecoveryTarget;
  readonly timelines: Pick<TimelinePlan, 'lineage' | 'hidden'>;
  readonly facts: ArchiveFacts;
  /** Whether the WAL reaches a target time; undefined when that is not known. */
  readonly reachesTarget: boolean | undefined;
  /** The files that will be archived before the restore. */
  readonly waiting: readonly WaitingWal[];
  /** The files that wait and stay in their folder. */
  readonly leftWaiting: readonly WaitingWal[];
}

/** Says which WAL a restore needs, what of it is there, and what is copied (docs/reference/engine.md section 12.7, docs/reference/since-3.17.md section 5). */
export async function planWals(question: WalQuestion, signal: AbortSignal): Promise<WalPlan> {
  const { server, request, backup, target, timelines, waiting } = question;
  const { beginWal, endWal, xlogSegmentSize: segmentSize } = backup;
  if (beginWal === null || endWal === null) return noWal;
  const { range, holes } = lookAlong(question, beginWal, endWal);
  if (request.fetchesWal) return { ...noWal, range, holes };
  const takesPartial = request.takesPartialWal && target.kind !== 'immediate';
  const wish: WalRange = { beginWal, endWal, segmentSize, ...timelines, target, takesPartial };
  const entries = [...(await readEntriesFrom(server.layout, beginWal, signal)), ...waiting.map(({ entry }) => entry)];
  const selected = withinReach(selectWals(entries, wish), holes, question);
  const { copies, warnings } = await withoutLost(selected.copies, question);
  const next = await nextPartial(copies, wish, question);
  const streamingPartial = takesPartial ? next : undefined;
  let bytes = streamingPartial === undefined ? 0 : (await stat(streamingPartial.path)).size;
  for (const copy of copies) bytes += await plainBytesOf(copy, question, segmentSize);
  const leftOut = takesPartial ? [] : leftOutWarnings(copies, { entries, wish, next }, question);
  return { copies, streamingPartial, range, holes, bytes, warnings: [...selected.warnings, ...warnings, ...leftOut] };
}

/**
 * Leaves out the WAL behind a hole: replay cannot get there, and what is wrong with it is no matter. Where the missing WAL can come from elsewhere it is
 * taken along.
 */
function withinReach(
  selected: readonly WalToCopy[],
  [hole]: readonly WalHole[],
  { request, backup: { xlogSegmentSize: segmentSize } }: WalQuestion,
): { readonly copies: readonly WalToCopy[]; readonly warnings: readonly string[] } {
  if (hole === undefined || request.standbyMode || request.allowed.has('missing-wal'))
    return { copies: selected, warnings: [] };
  const end = segmentIndex(hole.first, segmentSize);
  const copies = selected.filter(({ entry }) => {
    const segment = walKindOf(entry.name) === 'history' ? undefined : segmentOf(entry.name);
    return segment === undefined || segmentIndex(segment, segmentSize) < end;
  });
  const count = selected.length - copies.length;
  if (count === 0) return { copies, warnings: [] };
  const files = count === 1 ? 'one WAL file' : `${String(count)} WAL files`;
  return { copies, warnings: [`${files} after ${hole.first}, which is missing, cannot be reached and are left out`] };
}

/** Leaves out what the index names, nobody needs, and is not there: labels of backups, and histories of timelines that are not gone along. */
async function withoutLost(
  selected: readonly WalToCopy[],
  { server, timelines, waiting }: WalQuestion,
): Promise<{ readonly copies: readonly WalToCopy[]; readonly warnings: readonly string[] }> {
  const needed = new Set(timelines.lineage.map(({ timeline }) => timeline));
  const archive = walArchiveOf(server.layout);
  const copies: WalToCopy[] = [];
  const warnings: string[] = [];
  for (const copy of selected) {
    const { name } = copy.entry;
    const kind = walKindOf(name);
    const isNeeded = kind !== 'backup-label' && !(kind === 'history' && !needed.has(timelineOf(name)));
    const isThere = isNeeded || waiting.some(({ entry }) => entry.name === name) || (await archive.has(name));
    if (isThere) copies.push(copy);
    else
      warnings.push(
        `the index of server '${server.config.name}' names ${name}, which is not there: recovery does not need it, rebuild-xlogdb writes the index anew`,
      );
  }
  return { copies, warnings };
}

/** The segment that is being received, when it goes on where the copies end and holds something. */
async function nextPartial(
  copies: readonly WalToCopy[],
  wish: WalRange,
  { server, target }: WalQuestion,
): Promise<WalPlan['streamingPartial']> {
  const next = target.kind === 'immediate' ? undefined : segmentAfter(copies, wish);
  if (next === undefined) return undefined;
  const path = join(server.layout.streaming, `${next}.partial`);
  return (await holdsSomething(path)) ? { path, restoredName: next } : undefined;
}

/** pg_receivewal makes a segment of zeros before anything comes. */
async function holdsSomething(path: string): Promise<boolean> {
  try {
    await using file = await open(path, 'r');
    const head = Buffer.alloc(pageMagicBytes);
    return (await file.read(head, 0, pageMagicBytes, 0)).bytesRead > 0 && head.some((byte) => byte !== 0);
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

interface LeftOut {
  readonly entries: readonly WalEntry[];
  readonly wish: WalRange;
  readonly next: WalPlan['streamingPartial'];
}

/** WAL that may contain the last commits before the target and is not restored. */
function leftOutWarnings(
  copies: readonly WalToCopy[],
  { entries, wish, next }: LeftOut,
  { target, facts, reachesTarget, leftWaiting }: WalQuestion,
): readonly string[] {
  const newest = facts.coverageFor(wish.segmentSize).newestTime;
  const isReached =
    target.kind === 'immediate' ||
    reachesTarget === true ||
    (target.kind === 'time' &&
      reachesTarget === undefined &&
      newest !== undefined &&
      Number(target.time.epochMicros / 1_000_000n) < Math.floor(newest));
  const after = segmentAfter(copies, wish);
  const isBefore =
    target.kind === 'lsn' && after !== undefined && segmentAtLsn(target.lsn, timelineOf(after), wish.segmentSize).name < after;
  if (isReached || isBefore) return [];
  const isLater = ({ restoredName }: WalToCopy): boolean => after !== undefined && restoredName >= after;
  // a history file holds no commits, and one that the index alone names does not wait
  const waits = selectWals([...entries, ...leftWaiting.map(({ entry }) => entry)], wish).find(
    (copy) => isLater(copy) && walKindOf(copy.entry.name) !== 'history',
  );
  if (waits !== undefined)
    return [`${waits.entry.name} and the WAL after it wait to be archived and are left out: run archive-wal, or use --get-wal`];
  const partial = selectWals(entries, { ...wish, takesPartial: true }).find(isLater)?.entry.name;
  const left = partial ?? (next === undefined ? undefined : basename(next.path));
  return left === undefined
    ? []
    : [`the last commits may be in ${left} only, which is left out: include it with --get-wal or --partial-wal`];
}

function lookAlong(
  { backup, target, timelines: { lineage }, facts }: WalQuestion,
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
  if (waits === undefined) await writePlainWal(walArchiveOf(server.layout).pathOf(entry.name), counter, storage);
  else await writePlainWal(waits.path, counter, arrivalsOf(storage));
  return bytes;
}
