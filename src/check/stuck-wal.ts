import { findStuckArrivals, type StuckArrival } from '../catalog/wal/stuck-arrivals.ts';
import type { Server } from '../config/server.ts';
import { hasControlCharacter } from '../shared/has-control-character.ts';
import { formatLongTime, localTimestamp } from '../shared/timestamp.ts';

/** WAL of a server that cannot be archived, or that nobody archives; those files that wait longest first. */
export async function findStuckWal({ layout, config }: Server, now: Date): Promise<readonly StuckArrival[]> {
  if (config.isPassive || !config.isActive) return [];
  const { archiver, streaming_archiver } = config.options;
  const folders = [...(archiver ? (['incoming'] as const) : []), ...(streaming_archiver ? (['streaming'] as const) : [])];
  return await findStuckArrivals(layout, folders, now);
}

/** `2 files wait, incoming/000000010000000000000005 since 2026-11-30 14:02:11+00:00: has 5000000 of 16777216 bytes`. */
export function describeStuckWal(stuck: readonly StuckArrival[]): string {
  const [first] = stuck;
  if (first === undefined) return 'none';
  const path = `${first.folder}/${first.name}`;
  const count = stuck.length === 1 ? '1 file cannot be archived' : `${String(stuck.length)} files cannot be archived`;
  const since = formatLongTime(localTimestamp(first.since));
  return `${count}: ${hasControlCharacter(path) ? JSON.stringify(path) : path} since ${since}: ${first.reason}`;
}
