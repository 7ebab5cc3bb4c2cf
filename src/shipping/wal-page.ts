import { open } from 'node:fs/promises';
import { type SegmentName, segmentParts, segmentStart } from '../wal/wal-name.ts';

/** What the first page of a segment says (PostgreSQL source, `access/xlog_internal.h`: XLogLongPageHeaderData). */
interface FirstPage {
  readonly timeline: number;
  readonly position: bigint;
  readonly systemid: bigint;
  readonly segmentSize: number;
}

const headerBytes = 40;
/** The first two bytes of every WAL page, by major version: 10 is 0xD097, 18 is 0xD118; the high byte tells enough. */
const magicRange = { least: 0xd090, most: 0xd1ff };
const longHeaderFlag = 0x0002;

/** Reads the long page header that every segment begins with; undefined for other bytes. Both byte orders are tried. */
export function parseFirstPage(bytes: Buffer): FirstPage | undefined {
  if (bytes.length < headerBytes) return undefined;
  return readHeader(bytes, 'LE') ?? readHeader(bytes, 'BE');
}

/** What is known of the cluster that a segment has to belong to. */
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
  const { bytesRead, buffer } = await file.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
  const page = parseFirstPage(buffer.subarray(0, bytesRead));
  if (page === undefined) return 'it does not begin with a WAL page';
  const { size } = await file.stat();
  if (size !== page.segmentSize) return `it has ${String(size)} bytes instead of ${String(page.segmentSize)}`;
  if (segmentSize !== undefined && size !== segmentSize) return 'it has the segment size of another cluster';
  if (page.position !== segmentStart(name, page.segmentSize)) return 'its first page belongs to another segment';
  // a segment in which a timeline begins is a copy of its parent's up to there, so its first page may have an older timeline
  if (page.timeline > segmentParts(name).timeline) return 'its first page belongs to a newer timeline';
  if (systemid !== undefined && page.systemid !== systemid) return 'it belongs to another cluster';
  return undefined;
}

/** Whether the file at `path` is a segment of which nothing was received yet: empty, or the zeros that a receiver begins with. */
export async function isUnwritten(path: string): Promise<boolean> {
  await using file = await open(path, 'r');
  const { bytesRead, buffer } = await file.read(Buffer.alloc(headerBytes), 0, headerBytes, 0);
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

function readHeader(bytes: Buffer, order: 'LE' | 'BE'): FirstPage | undefined {
  const u16 = (at: number) => (order === 'LE' ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (at: number) => (order === 'LE' ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const u64 = (at: number) => (order === 'LE' ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
  const magic = u16(0);
  const segmentSize = u32(32);
  const isPage = magic >= magicRange.least && magic <= magicRange.most && (u16(2) & longHeaderFlag) !== 0;
  if (!isPage || segmentSize < 1 << 20 || segmentSize > 1 << 30 || (segmentSize & (segmentSize - 1)) !== 0) return undefined;
  return { timeline: u32(4), position: u64(8), systemid: u64(24), segmentSize };
}
