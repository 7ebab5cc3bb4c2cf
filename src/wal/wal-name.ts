import type { Lsn } from './lsn.ts';

declare const segmentBrand: unique symbol;
declare const walNameBrand: unique symbol;

/** Name of a WAL file of any kind that PostgreSQL archives: segment, backup label, partial segment or timeline history. */
export type WalName = string & { readonly [walNameBrand]: true };
/** Name of a complete WAL segment: 24 upper-case hexadecimal digits (timeline, log, segment). */
export type SegmentName = WalName & { readonly [segmentBrand]: true };

type WalKind = 'segment' | 'backup-label' | 'partial' | 'history';

interface SegmentParts {
  readonly timeline: number;
  readonly log: number;
  readonly segment: number;
}

export const defaultSegmentSize = 16 * 1024 * 1024;

const shapes: readonly (readonly [WalKind, RegExp])[] = [
  ['segment', /^[0-9A-F]{24}$/],
  ['backup-label', /^[0-9A-F]{24}\.[0-9A-F]{8}\.backup$/],
  ['partial', /^[0-9A-F]{24}\.partial$/],
  ['history', /^[0-9A-F]{8}\.history$/],
];

/**
 * Kind of a file name, hexadecimal digits in either case (docs/reference/catalog.md section 6.1); undefined for any other name, so a name
 * with a path in it never passes.
 */
export function walKindOf(name: string): WalKind | undefined {
  const upper = upperCaseHex(name);
  return shapes.find(([, shape]) => shape.test(upper))?.[0];
}

/** The name with its hexadecimal digits in upper case; undefined when it is no WAL name. */
export function parseWalName(name: string): WalName | undefined {
  return walKindOf(name) === undefined ? undefined : (upperCaseHex(name) as WalName); // its shape was just tested
}

/** As {@link parseWalName}, for complete segments only. */
export function parseSegmentName(name: string): SegmentName | undefined {
  return walKindOf(name) === 'segment' ? (name.toUpperCase() as SegmentName) : undefined; // its shape was just tested
}

/** The segment that a segment, label or partial name begins with; undefined for a history file. */
export function segmentOf(name: WalName): SegmentName | undefined {
  return parseSegmentName(name.slice(0, 24));
}

/** Timeline of a WAL file, from the first 8 digits of its name. */
export function timelineOf(name: WalName): number {
  return Number.parseInt(name.slice(0, 8), 16);
}

/** Folder below the archive: the first 16 digits, or none for a history file (docs/reference/catalog.md section 6.2). */
export function hashFolderOf(name: WalName): string {
  return walKindOf(name) === 'history' ? '' : name.slice(0, 16);
}

/** Splits a segment name into its numbers. */
export function segmentParts(name: SegmentName): SegmentParts {
  return {
    timeline: Number.parseInt(name.slice(0, 8), 16),
    log: Number.parseInt(name.slice(8, 16), 16),
    segment: Number.parseInt(name.slice(16, 24), 16),
  };
}

/** Builds a segment name from its numbers. */
export function segmentName({ timeline, log, segment }: SegmentParts): SegmentName {
  return `${hex8(timeline)}${hex8(log)}${hex8(segment)}` as SegmentName; // three times eight hexadecimal digits
}

/** Number of segments in one log file: 256 for 16 MiB segments. */
function segmentsPerLog(segmentSize: number): number {
  return Math.floor(0xffff_ffff / segmentSize) + 1;
}

/** Whether a cluster can have segments of that size: a power of two from 1 MiB to 1 GiB. */
export function isSegmentSize(bytes: number): boolean {
  return Number.isInteger(Math.log2(bytes)) && bytes >= 2 ** 20 && bytes <= 2 ** 30;
}

/** Whether a cluster with segments of that size can have one of that name. */
export function isSegmentOf(name: SegmentName, segmentSize: number): boolean {
  return segmentParts(name).segment < segmentsPerLog(segmentSize);
}

/** Running number of a segment on any timeline: its start position divided by the segment size. */
export function segmentIndex(name: SegmentName, segmentSize: number): number {
  const { log, segment } = segmentParts(name);
  return log * segmentsPerLog(segmentSize) + segment;
}

/** The segment with a running number on a timeline; inverse of {@link segmentIndex}. */
export function segmentAtIndex(timeline: number, index: number, segmentSize: number): SegmentName {
  const perLog = segmentsPerLog(segmentSize);
  return segmentName({ timeline, log: Math.floor(index / perLog), segment: index % perLog });
}

/** The segment after this one on the same timeline. */
export function nextSegment(name: SegmentName, segmentSize: number): SegmentName {
  return segmentAtIndex(segmentParts(name).timeline, segmentIndex(name, segmentSize) + 1, segmentSize);
}

/** The segment before this one on the same timeline; undefined for the very first. */
export function previousSegment(name: SegmentName, segmentSize: number): SegmentName | undefined {
  const index = segmentIndex(name, segmentSize);
  return index === 0 ? undefined : segmentAtIndex(segmentParts(name).timeline, index - 1, segmentSize);
}

/** Every segment from `first` to `last` inclusive, in order; none when `last` lies before `first`. Both on one timeline. */
export function* segmentsBetween(first: SegmentName, last: SegmentName, segmentSize: number): Generator<SegmentName> {
  const { timeline } = segmentParts(first);
  const end = segmentIndex(last, segmentSize);
  for (let index = segmentIndex(first, segmentSize); index <= end; index++) yield segmentAtIndex(timeline, index, segmentSize);
}

/** The segment that holds the byte at `lsn` (a position on a boundary belongs to the segment that begins there), and the offset in it. */
export function segmentAtLsn(
  lsn: Lsn,
  timeline: number,
  segmentSize: number,
): { readonly name: SegmentName; readonly offset: number } {
  const size = BigInt(segmentSize);
  return { name: segmentAtIndex(timeline, Number(lsn / size), segmentSize), offset: Number(lsn % size) };
}

/** Position of the first byte of a segment. */
export function segmentStart(name: SegmentName, segmentSize: number): Lsn {
  return (BigInt(segmentIndex(name, segmentSize)) * BigInt(segmentSize)) as Lsn; // a product of two numbers that are not negative
}

/** A segment is no larger than PostgreSQL makes them, and what is text has some kilobytes. */
const mostBytesOf: Readonly<Record<string, number>> = { history: 1024 ** 2, 'backup-label': 1024 ** 2 };
const mostSegmentBytes = 1024 ** 3 + 1024 ** 2; // compressed it may be a little larger

/** The largest size of a file of that name, in any form. */
export function mostArrivingBytes(name: string): number {
  return mostBytesOf[walKindOf(name) ?? ''] ?? mostSegmentBytes;
}

function upperCaseHex(name: string): string {
  const dot = name.indexOf('.');
  if (dot === -1) return name.toUpperCase();
  const [, offset, rest] = /^\.([0-9A-Fa-f]{8})(\.backup)$/.exec(name.slice(dot)) ?? [];
  const suffix = offset === undefined ? name.slice(dot) : `.${offset.toUpperCase()}${rest ?? ''}`;
  return `${name.slice(0, dot).toUpperCase()}${suffix}`;
}

/** Eight hexadecimal digits, as names of WAL have them. */
export function hex8(value: number): string {
  return value.toString(16).toUpperCase().padStart(8, '0');
}

/** The content of the first page of a segment (PostgreSQL source, `access/xlog_internal.h`: XLogLongPageHeaderData). */
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
