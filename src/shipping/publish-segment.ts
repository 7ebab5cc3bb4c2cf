import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { SegmentName } from '../wal/wal-name.ts';
import { unpackInPlace } from './fetch-wal.ts';
import type { PrefetchOptions } from './prefetch-options.ts';
import { segmentProblem } from './wal-page.ts';

/** Lets recovery take a segment that has arrived, plain and checked; removes it and gives false when it is not what it should be. */
export async function publishSegment(
  arriving: string,
  name: SegmentName,
  { spool, fetch, systemid, segmentSize }: PrefetchOptions,
): Promise<boolean> {
  await unpackInPlace(arriving, fetch.environment);
  if ((await segmentProblem(arriving, name, { systemid, segmentSize })) !== undefined) {
    await rm(arriving, { force: true });
    return false;
  }
  await rename(arriving, join(spool.ready, name));
  return true;
}
