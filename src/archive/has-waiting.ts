import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ServerLayout, xlogdbPath } from '../catalog/server-layout.ts';
import { isMissing, namesIn } from '../shared/look.ts';
import { listArrivals } from './list-arrivals.ts';
import { type ArrivalChannel, planArrivals } from './plan-arrivals.ts';

/** Whether a run of archive-wal would find something to do, seen from outside, without its lock. */
export async function hasWaiting(layout: ServerLayout, channels: readonly ArrivalChannel[]): Promise<boolean> {
  for (const channel of channels) {
    const rules = { channel, batchSize: 1, isUnfinished: () => false };
    const { archive, unknown } = planArrivals(await listArrivals(layout, channel), rules);
    if (archive.length + unknown.length > 0) return true;
  }
  return await mayHaveStrays(layout);
}

/**
 * A file that a crash left in the archive without a line in the index is younger than the last line: its folder changed after the index.
 */
async function mayHaveStrays(layout: ServerLayout): Promise<boolean> {
  const newest = (await namesIn(layout.wals))
    .filter((name) => /^[0-9A-F]{16}$/.test(name))
    .toSorted()
    .at(-1);
  if (newest === undefined) return false;
  const [folder, index] = [await changedAt(join(layout.wals, newest)), await changedAt(xlogdbPath(layout))];
  return folder !== undefined && (index === undefined || folder > index);
}

/** Undefined for what is not there. */
async function changedAt(path: string): Promise<bigint | undefined> {
  try {
    return (await stat(path, { bigint: true })).mtimeNs;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
