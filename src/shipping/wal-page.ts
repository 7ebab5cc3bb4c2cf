import { open } from 'node:fs/promises';
import { firstPageBytes, misplacement, parseFirstPage, type SegmentName } from '../wal/wal-name.ts';

/** The known facts about the cluster that a segment must belong to. */
interface KnownCluster {
  readonly systemid: bigint | undefined;
  readonly segmentSize?: number;
}

/**
 * Why the file at `path` cannot be the segment `name`: its size, the position, timeline or system identifier in its first page.
 * @returns undefined when it can
 */
export async function segmentProblem(
  path: string,
  name: SegmentName,
  { systemid, segmentSize }: KnownCluster,
): Promise<string | undefined> {
  await using file = await open(path, 'r');
  const { bytesRead, buffer } = await file.read(Buffer.alloc(firstPageBytes), 0, firstPageBytes, 0);
  const page = parseFirstPage(buffer.subarray(0, bytesRead));
  if (page === undefined) return 'it does not begin with a WAL page';
  const { size } = await file.stat();
  if (size !== page.segmentSize) return `it has ${String(size)} bytes instead of ${String(page.segmentSize)}`;
  if (segmentSize !== undefined && size !== segmentSize) return 'it has the segment size of another cluster';
  const misplaced = misplacement(page, name);
  if (misplaced !== undefined) return misplaced;
  if (systemid !== undefined && page.systemid !== systemid) return 'it belongs to another cluster';
  return undefined;
}

/** Whether the file at `path` is a segment of which nothing was received yet: empty, or the zeros that a receiver begins with. */
export async function isUnwritten(path: string): Promise<boolean> {
  await using file = await open(path, 'r');
  const { bytesRead, buffer } = await file.read(Buffer.alloc(firstPageBytes), 0, firstPageBytes, 0);
  return buffer.subarray(0, bytesRead).every((byte) => byte === 0);
}

/** System identifier of the cluster whose data folder this is: the first eight bytes of its control file; undefined when it cannot be read. */
export async function readClusterSystemId(dataFolder: string): Promise<bigint | undefined> {
  try {
    await using file = await open(`${dataFolder}/global/pg_control`, 'r');
    const { bytesRead, buffer } = await file.read(Buffer.alloc(8), 0, 8, 0);
    return bytesRead === 8 ? buffer.readBigUInt64LE(0) : undefined;
  } catch {
    return undefined; // not called from a data folder: then there is one check less
  }
}
