import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatCheckedJson, parseCheckedJson } from '../../shared/checked-json.ts';
import { writeDerivedFile } from '../../shared/durable-file.ts';
import { isRecord } from '../../shared/is-record.ts';
import { isMissing, namesNowIn, stateOf } from '../../shared/look.ts';
import { systemCodeOf } from '../../shared/operator-error.ts';
import { type SegmentName, segmentName, segmentParts } from '../../wal/wal-name.ts';
import { type Backup, isCopyDone } from '../backups/backup.ts';
import type { WalLedger } from '../index/wal-ledger.ts';
import type { ServerLayout } from '../server-layout.ts';

/** Segments that the index names, that a backup may need, and that are not in the archive. */
export interface LostWals {
  readonly count: number;
  readonly first: SegmentName;
  readonly last: SegmentName;
}

/** Folder of the archive by its name: in which state it was when all segments were there, and how many. */
type Seen = Record<string, readonly [ctime: string, ino: number, segments: number]>;

/**
 * Compares the archive with its index by names. A folder that nothing was done to since it was found whole (one stat) is not read again:
 * that is kept in `.pgcellar/wal-folders`, which may be removed at any time. WAL before all backups counts nothing: it may be going now.
 */
export async function findLostWals(
  layout: ServerLayout,
  ledger: WalLedger,
  backups: readonly Backup[],
): Promise<LostWals | undefined> {
  const path = join(layout.root, '.pgcellar', 'wal-folders');
  const before = await readSeen(path);
  const seen: Seen = {};
  const lost: SegmentName[] = [];
  const first = firstNeeded(backups);
  for (const [folder, names] of first === undefined ? [] : foldersFrom(ledger, first)) {
    const state = stateIfThere(join(layout.wals, folder));
    const known = before[folder];
    if (state !== undefined && known?.[0] === state.ctime && known[1] === state.ino && known[2] === names.count) {
      seen[folder] = known;
      continue;
    }
    const missing = missingOf(names, state === undefined ? [] : namesNowIn(join(layout.wals, folder)));
    if (missing.length === 0 && state !== undefined) seen[folder] = [state.ctime, state.ino, names.count];
    lost.push(...missing);
  }
  await keepSeen(path, seen, before);
  const [least] = lost;
  const last = lost.at(-1);
  return least === undefined || last === undefined ? undefined : { count: lost.length, first: least, last };
}

/** The least name that a backup begins with, from which on WAL is needed: names of later timelines are greater. */
export function firstNeeded(backups: readonly Backup[]): SegmentName | undefined {
  const begins = backups.flatMap((backup) => (isCopyDone(backup) && backup.beginWal !== null ? [backup.beginWal] : []));
  return begins.reduce<SegmentName | undefined>(
    (least, name) => (least === undefined || name < least ? name : least),
    undefined,
  );
}

/** Runs of segments in one folder of the archive: one log file of a timeline. */
interface FolderNames {
  readonly timeline: number;
  readonly log: number;
  count: number;
  readonly spans: (readonly [begin: number, end: number])[];
}

/** By numbers and not by names, of which there may be a million: a name is only made of what is missing. */
function missingOf({ timeline, log, spans }: FolderNames, names: readonly string[]): SegmentName[] {
  const there = new Uint8Array(Math.max(...spans.map(([, end]) => end)));
  const folder = segmentName({ timeline, log, segment: 0 }).slice(0, 16);
  for (const name of names) {
    if (isSegment.test(name) && name.startsWith(folder)) there[Number.parseInt(name.slice(16), 16)] = 1;
  }
  const missing: SegmentName[] = [];
  for (const [begin, end] of spans) {
    for (let segment = begin; segment < end; segment++) {
      if (there[segment] === 0) missing.push(segmentName({ timeline, log, segment }));
    }
  }
  return missing;
}

const isSegment = /^[0-9A-F]{24}$/;

/** The segments that each folder of the archive must contain, from one on. */
function foldersFrom(ledger: WalLedger, first: SegmentName): Map<string, FolderNames> {
  const folders = new Map<string, FolderNames>();
  const from = segmentParts(first);
  for (const { timeline, columns } of ledger.timelines) {
    if (timeline < from.timeline) continue;
    const { intervals } = columns;
    for (let at = 0; at < intervals.length; at += 3) {
      const [log = 0, start = 0, count = 0] = intervals.subarray(at, at + 3);
      const isBefore = timeline === from.timeline && (log < from.log || (log === from.log && start + count <= from.segment));
      if (isBefore) continue;
      const isCut = timeline === from.timeline && log === from.log && start < from.segment;
      const begin = isCut ? from.segment : start;
      const name = segmentName({ timeline, log, segment: 0 }).slice(0, 16);
      const folder = folders.get(name) ?? { timeline, log, count: 0, spans: [] };
      folders.set(name, folder);
      folder.count += start + count - begin;
      folder.spans.push([begin, start + count]);
    }
  }
  return folders;
}

function stateIfThere(path: string) {
  try {
    return stateOf(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function readSeen(path: string): Promise<Seen> {
  try {
    const seen = parseCheckedJson(await readFile(path, 'utf8'));
    return isRecord(seen) ? (seen as Seen) : {}; // its checksum says that we wrote it
  } catch {
    return {};
  }
}

/** Optional work: where nothing can be kept, every folder is read each time. */
async function keepSeen(path: string, seen: Seen, before: Seen): Promise<void> {
  const names = Object.keys(seen);
  if (names.length === Object.keys(before).length && names.every((name) => seen[name] === before[name])) return;
  try {
    await writeDerivedFile(path, formatCheckedJson(seen));
  } catch (error) {
    if (systemCodeOf(error) === undefined) throw error;
  }
}
