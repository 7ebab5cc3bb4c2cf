import { checksumOf } from '../../shared/checksum.ts';
import { isRecord } from '../../shared/is-record.ts';
import { type TimelineColumns, TimelineWal } from '../wal/timeline-wal.ts';
import { formatWalEntry, parseWalEntry } from './wal-entry.ts';
import { type WalForm, WalLedger } from './wal-ledger.ts';

/** A ledger and the piece of the WAL index that it was made of. */
export interface StoredLedger {
  readonly ledger: WalLedger;
  /** Bytes from the start of the index, up to the end of a line. */
  readonly end: number;
  /** CRC-32 of these bytes. */
  readonly checksum: number;
}

/** Four numbers: what it is, format, bytes of the header, CRC-32 of all that follows. On a machine with another byte order it is none. */
const preambleBytes = 16;
const magic = 0x70_67_63_6c;
const format = 1;
const blank = 0x20;

interface Header {
  readonly end: number;
  readonly checksum: number;
  readonly forms: readonly WalForm[];
  /** As lines of the index. */
  readonly others: string;
  readonly timelines: readonly { readonly timeline: number; readonly intervals: number; readonly segments: number }[];
}

/** The file's content in pieces: a header in JSON, then the columns of each timeline as they lie in memory, uncopied. */
export function encodeLedger({ ledger, end, checksum }: StoredLedger): readonly Uint8Array[] {
  const { timelines } = ledger;
  const header: Header = {
    end,
    checksum,
    forms: ledger.parts.forms,
    others: ledger.others.map(formatWalEntry).join(''),
    timelines: timelines.map(({ timeline, count, columns }) => ({
      timeline,
      intervals: columns.intervals.length / 3,
      segments: count,
    })),
  };
  const text = Buffer.from(JSON.stringify(header));
  const content = [text, padding(text.length, blank), ...timelines.flatMap((wal) => columnsOf(wal.columns).flatMap(bytesOf))];
  const sum = content.reduce((before, piece) => checksumOf(piece, before), 0);
  const preamble = Uint32Array.of(magic, format, padded(text.length), sum);
  return [new Uint8Array(preamble.buffer), ...content];
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array | Float64Array | Uint16Array): readonly Uint8Array[] {
  return [new Uint8Array(buffer, byteOffset, byteLength), padding(byteLength, 0)];
}

function padding(bytes: number, filler: number): Uint8Array {
  return new Uint8Array(padded(bytes) - bytes).fill(filler);
}

/** Undefined for anything that is not a whole ledger: it can be made again. @param content in a buffer of its own */
export function decodeLedger(content: Uint8Array): StoredLedger | undefined {
  if (content.length < preambleBytes || content.byteOffset % 8 !== 0) return undefined;
  const [kind, version, headerBytes = 0, checksum] = new Uint32Array(content.buffer, content.byteOffset, 4);
  if (kind !== magic || version !== format || checksumOf(content.subarray(preambleBytes)) !== checksum) return undefined;
  const header: unknown = JSON.parse(Buffer.from(content.subarray(preambleBytes, preambleBytes + headerBytes)).toString());
  return isHeader(header) ? fromContent(header, content, preambleBytes + headerBytes) : undefined;
}

function fromContent(header: Header, content: Uint8Array, start: number): StoredLedger {
  let at = content.byteOffset + start;
  const next = <T>(
    column: new (buffer: ArrayBufferLike, offset: number, length: number) => T,
    bytes: number,
    length: number,
  ): T => {
    const view = new column(content.buffer, at, length);
    at += padded(bytes * length);
    return view;
  };
  const timelines = header.timelines.map(({ timeline, intervals, segments }) => {
    const columns = {
      intervals: next(Uint32Array, 4, intervals * 3),
      running: next(Float64Array, 8, segments + 1),
      times: next(Float64Array, 8, segments),
      forms: next(Uint16Array, 2, segments),
    };
    return [timeline, new TimelineWal(timeline, columns)] as const;
  });
  const others = header.others.split('\n').flatMap((line) => parseWalEntry(line) ?? []);
  const parts = {
    timelines: new Map(timelines),
    others: new Map(others.map((entry) => [entry.name, entry] as const)),
    forms: header.forms,
  };
  return { ledger: new WalLedger(parts), end: header.end, checksum: header.checksum };
}

function columnsOf({
  intervals,
  running,
  times,
  forms,
}: TimelineColumns): readonly (Uint32Array | Float64Array | Uint16Array)[] {
  return [intervals, running, times, forms];
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

/** The checksum says that it is what we wrote; this, that it was this format. */
function isHeader(value: unknown): value is Header {
  return isRecord(value) && typeof value['end'] === 'number' && Array.isArray(value['timelines']);
}
