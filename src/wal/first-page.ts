import { type SegmentName, segmentParts, segmentStart } from './wal-name.ts';

/** What the first page of a segment says (PostgreSQL source, `access/xlog_internal.h`: XLogLongPageHeaderData). */
export interface FirstPage {
  readonly timeline: number;
  readonly position: bigint;
  readonly systemid: bigint;
  readonly segmentSize: number;
}

/** Bytes of a segment that tell its first page. */
export const firstPageBytes = 40;
/** The first two bytes of every WAL page, by major version: 10 is 0xD097, 18 is 0xD118; the high byte tells enough. */
const magicRange = { least: 0xd090, most: 0xd1ff };
const longHeaderFlag = 0x0002;

/** Reads the long page header that every segment begins with; undefined for other bytes. Both byte orders are tried. */
export function parseFirstPage(bytes: Buffer): FirstPage | undefined {
  if (bytes.length < firstPageBytes) return undefined;
  return readHeader(bytes, 'LE') ?? readHeader(bytes, 'BE');
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

/** Why a segment that begins with this page cannot have that name; undefined when it can. */
export function misplacement({ position, timeline, segmentSize }: FirstPage, name: SegmentName): string | undefined {
  if (position !== segmentStart(name, segmentSize)) return 'its first page belongs to another segment';
  // a segment in which a timeline begins is a copy of its parent's up to there, so its first page may have an older timeline
  if (timeline > segmentParts(name).timeline) return 'its first page belongs to a newer timeline';
  return undefined;
}
