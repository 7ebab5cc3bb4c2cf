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
  const theirs = await receivedAgain(server, held, again);
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
async function receivedAgain(server: Server, held: string, again: SegmentName): Promise<Buffer | undefined> {
  const { streaming } = server.layout;
  const archive = walArchiveOf(server.layout);
  const name = `${again}.partial`;
  const incoming = await firstOf(
    server,
    [again, name].map((each) => join(streaming, each)),
  );
  if (incoming !== undefined) return incoming;
  if (await archive.has(again)) return await plainBytes(archive.pathOf(again), storageOf(server));
  const partial = parseWalName(name);
  return await firstOf(server, [
    ...(partial === undefined ? [] : [archive.pathOf(partial)]),
    ...(held.startsWith(again) ? [] : [join(streaming, asideFolder, name)]),
  ]);
}

async function firstOf(server: Server, places: readonly string[]): Promise<Buffer | undefined> {
  for (const path of places) {
    if (!(await pathExists(path))) continue;
    if (path.startsWith(server.layout.streaming)) return await readFile(path);
    return await plainBytes(path, arrivalsOf(storageOf(server)));
  }
  return undefined;
}
