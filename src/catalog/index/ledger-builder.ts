import { OperatorError } from '../../shared/operator-error.ts';
import { type SegmentName, timelineOf, type WalName, walKindOf } from '../../wal/wal-name.ts';
import { TimelineBuilder } from '../wal/timeline-builder.ts';
import type { WalEntry } from './wal-entry.ts';
import { type WalForm, WalLedger } from './wal-ledger.ts';

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
