import { OperatorError } from '../../shared/operator-error.ts';
import { type SegmentName, timelineOf, type WalName, walKindOf } from '../../wal/wal-name.ts';
import { TimelineBuilder } from '../wal/timeline-wal.ts';
import { parseWalEntry, type WalEntry } from './wal-entry.ts';
import { type WalForm, WalLedger } from './wal-ledger.ts';

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

/** A line of the index is hardly shorter: name, size, time and compression. */
const leastLineBytes = 45;

/** A form's number has two bytes; there are a dozen combinations, so an index with more is none that anybody wrote. */
const mostForms = 65_536;

/** Makes a {@link WalLedger} of another one and entries that came after it. */
export class LedgerBuilder {
  readonly #base: WalLedger;
  readonly #most: number;
  readonly #timelines = new Map<number, TimelineBuilder>();
  readonly #others: Map<WalName, WalEntry>;
  readonly #forms: WalForm[];
  readonly #formNumbers: Map<string, number>;

  /** @param more bytes of the index that may come: so that columns need not be copied again and again, each copy larger */
  constructor(base: WalLedger = new WalLedger(), more = 0) {
    this.#base = base;
    this.#most = base.segmentCount + Math.ceil(more / leastLineBytes);
    this.#others = new Map(base.parts.others);
    this.#forms = [...base.parts.forms];
    this.#formNumbers = new Map(this.#forms.map((form, number) => [keyOf(form), number]));
  }

  add(entry: WalEntry): void {
    const { name, size, time } = entry;
    if (walKindOf(name) === 'segment')
      this.timeline(timelineOf(name)).add({ name: name as SegmentName, size, time, form: this.formNumber(entry) }); // its kind was just tested
    else this.#others.set(name, entry);
  }

  timeline(timeline: number): TimelineBuilder {
    const known =
      this.#timelines.get(timeline) ?? new TimelineBuilder(timeline, this.#base.parts.timelines.get(timeline), this.#most);
    this.#timelines.set(timeline, known);
    return known;
  }

  /** @throws OperatorError `wal-index-invalid` for more forms than anybody has */
  formNumber({ compression, encryption }: WalForm): number {
    const form = { compression, encryption };
    const known = this.#formNumbers.get(keyOf(form));
    if (known !== undefined) return known;
    if (this.#forms.length === mostForms)
      throw new OperatorError('wal-index-invalid', `more than ${String(mostForms)} kinds of compression in one WAL index`);
    this.#formNumbers.set(keyOf(form), this.#forms.length);
    return this.#forms.push(form) - 1;
  }

  build(): WalLedger {
    const timelines = new Map(this.#base.parts.timelines);
    for (const [timeline, builder] of this.#timelines) timelines.set(timeline, builder.build());
    return new WalLedger({ timelines, others: this.#others, forms: this.#forms });
  }
}

function keyOf({ compression, encryption }: WalForm): string {
  return `${String(compression)} ${String(encryption)}`;
}
