import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { walArchiveOf } from '../catalog/wal/wal-archive.ts';
import type { Server } from '../config/server.ts';
import { arrivalsOf, storageOf } from '../encryption/stored-wal.ts';
import { pathExists } from '../shared/look.ts';
import { validEnd } from '../wal/valid-end.ts';
import { parseWalName, type SegmentName } from '../wal/wal-name.ts';
import { plainBytes } from './compare-wals.ts';
import { asideFolder } from './run-pg-receivewal.ts';

interface Repeated {
  /** Name of the file that we held: a segment, or a partial one. */
  readonly held: string;
  readonly again: SegmentName;
  /** Bytes that are of one history. */
  readonly bytes: number;
}

/**
 * Compares what was received again with what was held of the same segment, byte by byte up to the last valid record of the held one.
 * @returns undefined while not all of it has come, and where the held file cannot be read
 */
export async function compareRepeated(
  server: Server,
  { held, again, bytes }: Repeated,
): Promise<{ readonly kind: 'same' | 'different'; readonly bytes: number } | undefined> {
  const ours = await firstOf(server, heldPlaces(server, held, again));
  const theirs = await firstOf(server, await againPlaces(server, held, again), again);
  if (ours === undefined || theirs === undefined) return undefined;
  const common = Math.min(bytes, held.endsWith('.partial') ? (validEnd(ours) ?? 0) : ours.length);
  if (common === 0 || (validEnd(theirs) ?? 0) < common) return undefined;
  return { kind: ours.subarray(0, common).equals(theirs.subarray(0, common)) ? 'same' : 'different', bytes: common };
}

/** Of a segment that comes again under its own name, the held part lies aside. */
function heldPlaces({ layout }: Server, held: string, again: SegmentName): readonly string[] {
  const aside = join(layout.streaming, asideFolder, held);
  if (held.startsWith(again)) return [aside];
  const name = parseWalName(held);
  return [...(name === undefined ? [] : [walArchiveOf(layout).pathOf(name)]), aside, join(layout.streaming, held)];
}

/** A partial segment that a further switch left behind is archived, or lies aside, under its own name. */
async function againPlaces({ layout }: Server, held: string, again: SegmentName): Promise<readonly string[]> {
  const name = `${again}.partial`;
  const partial = parseWalName(name);
  const archive = walArchiveOf(layout);
  const isArchived = await archive.has(again);
  return [
    ...[again, name].map((each) => join(layout.streaming, each)),
    ...(isArchived || partial === undefined ? [] : [archive.pathOf(partial)]),
    ...(isArchived || held.startsWith(again) ? [] : [join(layout.streaming, asideFolder, name)]),
  ];
}

async function firstOf(server: Server, places: readonly string[], archived?: SegmentName): Promise<Buffer | undefined> {
  const { streaming } = server.layout;
  for (const path of places) {
    if (!(await pathExists(path))) continue;
    if (path.startsWith(streaming)) return await readFile(path);
    return await plainBytes(path, arrivalsOf(storageOf(server)));
  }
  const path = archived === undefined ? undefined : walArchiveOf(server.layout).pathOf(archived);
  return path === undefined || !(await pathExists(path)) ? undefined : await plainBytes(path, storageOf(server));
}
