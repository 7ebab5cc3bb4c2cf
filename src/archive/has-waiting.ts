import { mayHaveStrays } from '../catalog/index/index-strays.ts';
import type { ServerLayout } from '../catalog/server-layout.ts';
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
