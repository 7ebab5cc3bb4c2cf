import type { TimelineBuilder } from '../wal/timeline-builder.ts';
import type { LedgerBuilder } from './ledger-builder.ts';
import { parseWalEntry } from './wal-entry.ts';

const newline = 0x0a;
const tab = 0x09;
const nameBytes = 24;

/**
 * Adds the whole lines of a piece of the WAL index. Almost all lines are those of segments, as both programs write them: these are read
 * from the bytes, which takes a tenth of the time; every other line is read as {@link parseWalEntry} does.
 * @param invalid called with a line that is none, and how many lines of this piece are before it
 * @returns how many bytes the whole lines have, and how many they are
 */
export function addIndexLines(
  piece: Buffer,
  builder: LedgerBuilder,
  invalid: (line: string, linesBefore: number) => void,
): { readonly bytes: number; readonly lines: number } {
  let start = 0;
  let lines = 0;
  const segments = new SegmentLines(piece, builder);
  for (let end = piece.indexOf(newline); end !== -1; end = piece.indexOf(newline, start)) {
    if (!segments.add(start, end)) {
      const line = piece.toString('latin1', start, end); // names, numbers and plain words only: a byte each
      const entry = parseWalEntry(line);
      if (entry !== undefined) builder.add(entry);
      else if (line.trim() !== '') invalid(line, lines);
    }
    lines++;
    start = end + 1;
  }
  return { bytes: start, lines };
}

/** Reads lines of segments as they are written today. */
class SegmentLines {
  readonly #piece: Buffer;
  readonly #builder: LedgerBuilder;
  #timeline = 0;
  #timelineBuilder: TimelineBuilder | undefined;
  #formText = '';
  #form = -1;

  constructor(piece: Buffer, builder: LedgerBuilder) {
    this.#piece = piece;
    this.#builder = builder;
  }

  /** @returns false when the line is another one, or out of order: nothing was added then */
  add(start: number, end: number): boolean {
    const piece = this.#piece;
    if (end - start < nameBytes + 6 || piece[start + nameBytes] !== tab) return false;
    const timeline = hexAt(piece, start);
    const log = hexAt(piece, start + 8);
    const segment = hexAt(piece, start + 16);
    if (timeline < 0 || log < 0 || segment < 0) return false;
    const sizeAt = start + nameBytes + 1;
    const sizeEnd = piece.indexOf(tab, sizeAt);
    const timeEnd = piece.indexOf(tab, sizeEnd + 1);
    if (sizeEnd <= sizeAt || timeEnd <= sizeEnd + 1 || timeEnd >= end) return false;
    const size = digitsAt(piece, sizeAt, sizeEnd);
    const time = Number(piece.toString('latin1', sizeEnd + 1, timeEnd));
    const form = this.#formOf(piece.toString('latin1', timeEnd + 1, end));
    if (size < 0 || !Number.isFinite(time) || form < 0) return false;
    return this.#builderOf(timeline).addNext(log, segment, { size, time, form });
  }

  #builderOf(timeline: number): TimelineBuilder {
    if (this.#timelineBuilder === undefined || timeline !== this.#timeline) {
      this.#timelineBuilder = this.#builder.timeline(timeline);
      this.#timeline = timeline;
    }
    return this.#timelineBuilder;
  }

  /** Number of a form; mostly that of the line before. */
  #formOf(text: string): number {
    if (text === this.#formText) return this.#form;
    const [, compression, encryption = 'None'] = /^([^\s]+)(?:\t([^\s]+))?$/.exec(text) ?? [];
    if (compression === undefined) return -1;
    const orNull = (word: string) => (word === 'None' ? null : word);
    this.#form = this.#builder.formNumber({ compression: orNull(compression), encryption: orNull(encryption) });
    this.#formText = text;
    return this.#form;
  }
}

/** Eight upper-case hexadecimal digits; −1 for anything else. */
function hexAt(piece: Buffer, start: number): number {
  let value = 0;
  for (let at = start; at < start + 8; at++) {
    const byte = piece[at] ?? 0;
    if (byte >= 0x30 && byte <= 0x39) value = value * 16 + byte - 0x30;
    else if (byte >= 0x41 && byte <= 0x46) value = value * 16 + byte - 0x37;
    else return -1;
  }
  return value;
}

/** At most 15 decimal digits; −1 for anything else. */
function digitsAt(piece: Buffer, start: number, end: number): number {
  if (end - start > 15) return -1;
  let value = 0;
  for (let at = start; at < end; at++) {
    const byte = piece[at] ?? 0;
    if (byte < 0x30 || byte > 0x39) return -1;
    value = value * 10 + byte - 0x30;
  }
  return value;
}
