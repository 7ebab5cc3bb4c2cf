import { lstatSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatCheckedJson, parseCheckedJson } from '../../shared/checked-json.ts';
import { writeDerivedFile } from '../../shared/durable-file.ts';
import { isLockHeld } from '../../shared/file-lock.ts';
import { isRecord } from '../../shared/is-record.ts';
import { isMissing, namesIn } from '../../shared/look.ts';
import { systemCodeOf } from '../../shared/operator-error.ts';
import { parseSegmentName, parseWalName, segmentOf, walKindOf } from '../../wal/wal-name.ts';
import { type ServerLayout, serverLockPath } from '../server-layout.ts';
import { readPlainSegment } from './segment-content.ts';

/** Folders that WAL arrives in. */
export type ArrivalFolder = 'incoming' | 'streaming';

/** A file that waits to be archived for longer than it may. */
export interface StuckArrival {
  readonly folder: ArrivalFolder;
  readonly name: string;
  readonly since: Date;
  readonly reason: string;
}

/** The files that the archiver could not archive. */
export interface HeldArrival {
  readonly name: string;
  readonly reason: string;
}

interface Note {
  readonly name: string;
  readonly reason: string;
  /** When the archiver first held it back, in milliseconds since the epoch. */
  readonly sinceMs: number;
}

type Notes = Readonly<Partial<Record<ArrivalFolder, readonly Note[]>>>;

/** A file that waits for so long is no matter of a busy minute. */
const patienceMs = 5 * 60_000;
/** Of thousands with one reason, these are enough. */
const mostNoted = 100;
const mostLookedAt = 2000;

/**
 * Notes what a run of the archiver left in a folder, for whoever looks later; `since` stays as long as a file is held back. Kept in
 * `.pgcellar/held-arrivals.json`, and only as long as there is something.
 */
export async function noteHeldArrivals(
  layout: ServerLayout,
  folder: ArrivalFolder,
  held: readonly HeldArrival[],
  now: Date,
): Promise<void> {
  const before = await readNotes(layout);
  const known = new Map((before[folder] ?? []).map(({ name, sinceMs }) => [name, sinceMs]));
  if (held.length === 0 && known.size === 0) return;
  const notes = held.slice(0, mostNoted).map(({ name, reason }) => ({
    name,
    reason,
    sinceMs: known.get(name) ?? now.getTime(),
  }));
  const after: Notes = { ...before, [folder]: notes };
  if (Object.values(after).every((left) => left.length === 0)) await rm(notesPath(layout), { force: true });
  else await writeDerivedFile(notesPath(layout), formatCheckedJson({ format: 1, folders: after }));
}

/** Files in these folders that cannot be archived, or that nobody archives, for minutes; those that wait longest first. */
export async function findStuckArrivals(
  layout: ServerLayout,
  folders: readonly ArrivalFolder[],
  now: Date,
): Promise<readonly StuckArrival[]> {
  const notes = await readNotes(layout);
  const stuck: StuckArrival[] = [];
  const idle: StuckArrival[] = [];
  for (const folder of folders) {
    const noted = new Map((notes[folder] ?? []).map((note) => [note.name, note]));
    for (const name of (await waitingIn(layout, folder)).slice(0, mostLookedAt)) {
      const found = judge(join(layout[folder], name), { name, note: noted.get(name), nowMs: now.getTime() });
      if (found !== undefined) (found.isIdle ? idle : stuck).push({ folder, name, since: found.since, reason: found.reason });
    }
  }
  // files that a running archiver has not reached yet are not stuck
  if (idle.length > 0 && !(await isLockHeld(serverLockPath(layout, 'archive-wal')))) stuck.push(...idle);
  return stuck.toSorted((a, b) => a.since.getTime() - b.since.getTime());
}

/** The files that the archiver would take: in the receiver's folder all but the one that is still being written. */
async function waitingIn(layout: ServerLayout, folder: ArrivalFolder): Promise<string[]> {
  const names = (await namesIn(layout[folder])).filter((name) => !name.startsWith('.') && !name.endsWith('.tmp')).toSorted();
  if (folder === 'incoming') return names;
  const newest =
    names.findLast((name) => walKindOf(name) === 'partial') ?? names.findLast((name) => walKindOf(name) === 'segment');
  return names.filter((name) => name !== newest);
}

interface Looked {
  readonly name: string;
  readonly note: Note | undefined;
  readonly nowMs: number;
}

interface Overdue extends Pick<StuckArrival, 'since' | 'reason'> {
  /** Nothing is wrong with it: nobody has come to it. */
  readonly isIdle: boolean;
}

function judge(path: string, { name, note, nowMs }: Looked): Overdue | undefined {
  const times = timesOf(path);
  const changedMs = times?.mtimeMs ?? note?.sinceMs;
  if (changedMs === undefined || nowMs - changedMs <= patienceMs) return undefined;
  const since = new Date(changedMs);
  const problem = note?.reason ?? problemOf(path, name);
  if (problem !== undefined) return { since, reason: problem, isIdle: false };
  if (times === undefined || nowMs - times.ctimeMs <= patienceMs) return undefined;
  return { since: new Date(Math.max(times.mtimeMs, times.ctimeMs)), reason: 'no program archives it', isIdle: true };
}

/** Undefined for what is gone, and for a name that is no text. */
function timesOf(path: string): { readonly mtimeMs: number; readonly ctimeMs: number } | undefined {
  try {
    const { mtimeMs, ctimeMs } = lstatSync(path);
    return { mtimeMs, ctimeMs };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Why nobody can archive it, as far as its first page tells. */
function problemOf(path: string, name: string): string | undefined {
  const wal = parseWalName(name);
  if (wal === undefined || segmentOf(wal) === undefined || wal.endsWith('.backup')) return undefined;
  try {
    if (!lstatSync(path).isFile()) return undefined;
    const content = readPlainSegment(path, { custom: undefined });
    if (content?.kind === 'piece') return `has ${String(content.bytes)} of ${String(content.page.segmentSize)} bytes`;
    if (content?.kind === 'unwritten' && parseSegmentName(name) !== undefined) return 'does not begin with a page of WAL';
    return undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    return `cannot be read: ${systemCodeOf(error) ?? String(error)}`;
  }
}

function notesPath({ root }: ServerLayout): string {
  return join(root, '.pgcellar', 'held-arrivals.json');
}

/** Nothing when there is nothing that can be used, for whatever reason: the next run of the archiver notes it again. */
async function readNotes(layout: ServerLayout): Promise<Notes> {
  try {
    const known = parseCheckedJson(await readFile(notesPath(layout), 'utf8'));
    return isRecord(known) && known['format'] === 1 ? (known['folders'] as Notes) : {}; // its checksum says that we wrote it
  } catch {
    return {};
  }
}
