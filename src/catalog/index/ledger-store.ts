import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatCheckedJson, parseCheckedJson } from '../../shared/checked-json.ts';
import { checksumOf } from '../../shared/checksum.ts';
import type { Context } from '../../shared/context.ts';
import { writeDerivedFile } from '../../shared/durable-file.ts';
import { isRecord } from '../../shared/is-record.ts';
import { type FileState, isSameState, isSettled, stateOf } from '../../shared/look.ts';
import { messageOf, systemCodeOf } from '../../shared/operator-error.ts';
import type { ServerLayout } from '../server-layout.ts';
import { type TimelineColumns, TimelineWal } from '../wal/timeline-wal.ts';
import { formatWalEntry, parseWalEntry } from './wal-entry.ts';
import { type WalForm, WalLedger } from './wal-ledger.ts';

/** Says that the index in this state begins with the bytes that a ledger was made of. */
interface Mark {
  readonly state: FileState;
  readonly end: number;
  readonly checksum: number;
}

type LedgerIdentity = Pick<StoredLedger, 'end' | 'checksum'>;

/**
 * The ledger on disk: `.pgcellar/wal-ledger` with everything, written now and then, and `.pgcellar/wal-ledger.mark`, small, written
 * whenever the index is found or left in a new state. Both may be removed, damaged or old at any time.
 */
export class LedgerStore {
  readonly #ledgerPath: string;
  readonly #markPath: string;

  constructor(layout: ServerLayout) {
    this.#ledgerPath = join(layout.root, '.pgcellar', 'wal-ledger');
    this.#markPath = `${this.#ledgerPath}.mark`;
  }

  /** Undefined when there is none that is whole, for whatever reason: it is all in the index. */
  read(): StoredLedger | undefined {
    try {
      return decodeLedger(readFileSync(this.#ledgerPath));
    } catch {
      return undefined;
    }
  }

  /** Which ledger fits the index in this state; undefined when nothing says so for certain. */
  ledgerFor(state: FileState): LedgerIdentity | undefined {
    let fd: number | undefined;
    try {
      fd = openSync(this.#markPath, 'r');
      const [noted, mark] = [stateOf({ fd }), parseMark(readFileSync(fd, 'utf8'))];
      return mark !== undefined && isSameState(mark.state, state) && isSettled(state, noted) ? mark : undefined;
    } catch {
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  /** Optional work: where nothing can be written, the next run has more to read. */
  async write(stored: StoredLedger, log?: Context['log']): Promise<void> {
    await this.#try(log, async () => await writeDerivedFile(this.#ledgerPath, encodeLedger(stored)));
  }

  /** As {@link write}. */
  async mark({ end, checksum }: LedgerIdentity, state: FileState, log?: Context['log']): Promise<void> {
    const mark: Mark = { state, end, checksum };
    await this.#try(log, async () => await writeDerivedFile(this.#markPath, formatCheckedJson(mark)));
  }

  async #try(log: Context['log'] | undefined, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (systemCodeOf(error) === undefined) throw error;
      log?.debug(`the WAL ledger is not stored: ${messageOf(error)}`);
    }
  }
}

function parseMark(line: string): Mark | undefined {
  const mark = parseCheckedJson(line);
  return isRecord(mark) && isRecord(mark['state']) ? (mark as unknown as Mark) : undefined; // its checksum says that we wrote it
}

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
