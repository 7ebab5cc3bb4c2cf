import type { Clock } from '../shared/clock.ts';
import type { SegmentName } from '../wal/wal-name.ts';
import type { FetchOptions } from './fetch-wal.ts';
import type { Spool } from './spool.ts';

export interface PrefetchOptions {
  readonly spool: Spool;
  readonly fetch: FetchOptions;
  /** Segment that recovery asks for next. */
  readonly first: SegmentName;
  readonly segmentSize: number;
  /** Segments that may wait at once. */
  readonly ahead: number;
  readonly systemid: bigint | undefined;
  readonly dataFolder: string;
  readonly clock: Clock;
}
