import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Backup } from '../catalog/backups/backup.ts';
import type { ServerLayout } from '../catalog/server-layout.ts';
import { readFirstPage, readSegmentContent } from '../catalog/wal/segment-content.ts';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import type { WalStorage } from '../encryption/stored-wal.ts';
import { isMissing, kindOfArrival, namesIn } from '../shared/look.ts';
import { OperatorError } from '../shared/operator-error.ts';
import { epochSeconds } from '../shared/timestamp.ts';
import { formatLsn, type Lsn, parseLsn } from '../wal/lsn.ts';
import { type FirstPage, type SegmentName, segmentsBetween, timelineOf } from '../wal/wal-name.ts';

/** The known facts about the WAL that a backup needs. */
export type WalVerdict =
  | { readonly kind: 'complete' }
  | { readonly kind: 'waiting'; readonly for: SegmentName | undefined }
  | { readonly kind: 'lost'; readonly missing: SegmentName }
  | { readonly kind: 'two-timelines'; readonly begin: number; readonly end: number };

interface WalFacts {
  /** Names in the archive, on the timeline of the backup's begin. */
  readonly isArchived: (name: SegmentName) => Promise<boolean>;
  /** Whether a file waits to be archived: a gap may close by itself. */
  readonly isWaiting: (name: SegmentName) => boolean;
  /** Greatest archived segment of that timeline. */
  readonly last: SegmentName | undefined;
}

/**
 * Whether every segment from a backup's begin to its end is archived (docs/reference/engine.md section 9.4). A gap below the last archived segment is a
 * loss only when the missing file does not wait in the incoming or streaming folder.
 */
export async function judgeWals(backup: Backup, facts: WalFacts): Promise<WalVerdict> {
  const { beginWal, endWal } = backup;
  if (beginWal === null || endWal === null) return { kind: 'waiting', for: undefined };
  const [begin, end] = [timelineOf(beginWal), timelineOf(endWal)];
  if (begin !== end) return { kind: 'two-timelines', begin, end };
  for (const name of segmentsBetween(beginWal, endWal, backup.xlogSegmentSize)) {
    if (await facts.isArchived(name)) continue;
    const isGap = facts.last !== undefined && name < facts.last;
    return isGap && !facts.isWaiting(name) ? { kind: 'lost', missing: name } : { kind: 'waiting', for: name };
  }
  return { kind: 'complete' };
}

/** The facts, from the disk. */
export async function readWalFacts(layout: ServerLayout, backup: Backup): Promise<WalFacts> {
  const archive = walArchiveOf(layout);
  const timeline = backup.beginWal === null ? 0 : timelineOf(backup.beginWal);
  return {
    isArchived: (name) => archive.has(name),
    isWaiting: (name) => [layout.incoming, layout.streaming].some((folder) => kindOfArrival(join(folder, name)) === 'file'),
    last: await archive.newestSegment(timeline),
  };
}

/** By how much the clocks of the server and of this host may differ. */
const clocksDifferBySeconds = 3600;

/**
 * Why the archive does not hold the WAL of a backup although its names are there, or can come: a segment of this very cluster was kept out
 * since the backup began, or one that it begins or ends with is of another cluster. Undefined when nothing says so.
 */
export async function findRejectedWal(layout: ServerLayout, backup: Backup, storage: WalStorage): Promise<string | undefined> {
  const { beginWal, endWal, systemid } = backup;
  if (beginWal === null || endWal === null) return undefined;
  for (const { name, file } of await rejectedSince(layout, backup)) {
    const path = join(layout.errors, file);
    const content = await orNothing(readSegmentContent(path, storage));
    if (content?.kind !== 'whole' || !isOf(content.page, systemid)) continue;
    return `its WAL segment ${name} was kept out of the archive, because of other WAL of that name or of another cluster: ${path}`;
  }
  for (const name of new Set([beginWal, endWal])) {
    const page = await orNothing(readFirstPage(walArchiveOf(layout).pathOf(name), storage));
    if (page !== undefined && !isOf(page, systemid))
      return `the archived WAL segment ${name} belongs to another cluster (${String(page.systemid)})`;
  }
  return undefined;
}

function isOf(page: FirstPage, systemid: string | null): boolean {
  return systemid === null || systemid === String(page.systemid);
}

/** Segments between the begin and the end of a backup in the errors folder that came there after its begin. */
async function rejectedSince(
  layout: ServerLayout,
  { beginWal, endWal, beginTime }: Backup,
): Promise<readonly { readonly name: string; readonly file: string }[]> {
  const since = beginTime === null ? 0 : epochSeconds(beginTime) - clocksDifferBySeconds;
  const found = [];
  for (const file of (await namesIn(layout.errors)).toSorted()) {
    const match = /^([0-9A-F]{24})\.(\d{8}T\d{6}Z)(?:\.\d+)?\.(?:duplicate|foreign|misnamed)$/.exec(file);
    const [, name = '', stamp = ''] = match ?? [];
    if (match === null || !isBetween(name, beginWal, endWal) || secondsOf(stamp) < since) continue;
    found.push({ name, file });
  }
  return found;
}

/** All three are of one length, and sort as they follow each other on a timeline. */
function isBetween(name: string, begin: SegmentName | null, end: SegmentName | null): boolean {
  return begin !== null && end !== null && name >= begin && name <= end;
}

function secondsOf(stamp: string): number {
  return Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')) / 1000;
}

/** A page that cannot be read proves nothing. */
async function orNothing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isMissing(error) || error instanceof OperatorError) return undefined;
    throw error;
  }
}

/** WAL that a backup needs, as its manifest says. */
interface WalRange {
  readonly begin: Lsn;
  readonly end: Lsn;
}

const tailBytes = 64 * 1024;

/** Reads the WAL ranges at the end of a `backup_manifest`; none before PostgreSQL 13. */
export async function readWalRanges(dataFolder: string): Promise<readonly WalRange[]> {
  try {
    await using file = await open(join(dataFolder, 'backup_manifest'));
    const { size } = await file.stat();
    const begin = Math.max(0, size - tailBytes);
    const { buffer } = await file.read(Buffer.alloc(size - begin), 0, size - begin, begin);
    return walRangesIn(buffer.toString('latin1'));
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** The WAL ranges in the last part of a manifest. */
export function walRangesIn(text: string): readonly WalRange[] {
  const list = /"WAL-Ranges"\s*:\s*\[([^\]]*)\]/.exec(text)?.[1] ?? '';
  return [...list.matchAll(/"Start-LSN"\s*:\s*"([^"]+)"\s*,\s*"End-LSN"\s*:\s*"([^"]+)"/g)].flatMap(
    ([, first = '', last = '']) => {
      const [begin, end] = [parseLsn(first), parseLsn(last)];
      return begin === undefined || end === undefined ? [] : [{ begin, end }];
    },
  );
}

type Positions = Pick<Backup, 'beginXlog' | 'endXlog'>;

/**
 * Makes sure that begin and end of a backup can belong to one server: otherwise it could not be restored.
 * @throws OperatorError `backup-failed`
 */
export function requirePossiblePositions({ beginXlog, endXlog }: Positions, ranges: readonly WalRange[]): void {
  if (beginXlog === null || endXlog === null) return;
  const refuse = (reason: string): never => {
    throw new OperatorError('backup-failed', `the backup ${reason}: its files and its positions come from different servers`, {
      hint: 'let conninfo and streaming_conninfo reach the same node: another host behind one address, or a failover during the backup, causes this',
    });
  };
  if (endXlog < beginXlog) refuse(`ends at ${formatLsn(endXlog)}, before it begins at ${formatLsn(beginXlog)}`);
  const last = ranges
    .map(({ end }) => end)
    .reduce<Lsn | undefined>((most, end) => (most === undefined || end > most ? end : most), undefined);
  if (last !== undefined && last > endXlog)
    refuse(`ends at ${formatLsn(endXlog)}, and its manifest says that WAL up to ${formatLsn(last)} is needed`);
  const first = ranges
    .map(({ begin }) => begin)
    .reduce<Lsn | undefined>((least, begin) => (least === undefined || begin < least ? begin : least), undefined);
  if (first !== undefined && first > beginXlog)
    refuse(`begins at ${formatLsn(beginXlog)}, and its manifest says that its WAL begins at ${formatLsn(first)}`);
}
