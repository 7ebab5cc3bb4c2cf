import { parseWalEntry, type WalEntry } from '../../../src/catalog/index/wal-entry.ts';
import type { WalLedger } from '../../../src/catalog/index/wal-ledger.ts';
import { WalRuns } from '../../../src/catalog/index/wal-runs.ts';
import { parseSegmentName } from '../../../src/wal/wal-name.ts';

/** Everything that a ledger can be asked, worked out from the text of an index in the simplest way. */
export function naiveAnswers(index: string, questions: Questions): unknown {
  const entries = naiveEntries(index);
  const segments = entries.filter(({ name }) => parseSegmentName(name) !== undefined);
  const runs = new WalRuns(questions.segmentSize);
  for (const { name, time } of segments) runs.add(parseSegmentName(name)!, time);
  return {
    count: entries.length,
    entries,
    spans: questions.spans.map(([from, until]) => {
      const within = segments.filter(({ name }) => name.slice(0, 8) === from.slice(0, 8) && name >= from && name <= until);
      return {
        count: within.length,
        bytes: within.reduce((sum, { size }) => sum + size, 0),
        first: within[0]?.name,
        last: within.at(-1)?.name,
        lastTime: within.at(-1)?.time,
        listed: segments.filter(({ name }) => name >= from && name <= until),
      };
    }),
    found: questions.spans.map(([from]) => entries.find(({ name }) => name === from)),
    runs: runs.timelines.map((timeline) => runs.of(timeline)),
  };
}

/** The same from a ledger. */
export function answersOf(ledger: WalLedger, questions: Questions): unknown {
  const runs = ledger.runs(questions.segmentSize);
  return {
    count: ledger.count,
    entries: [...ledger.entries()],
    spans: questions.spans.map(([from, until]) => ({
      ...ledger.span(Number.parseInt(from.slice(0, 8), 16), parseSegmentName(from)!, parseSegmentName(until)),
      listed: [...ledger.segments(parseSegmentName(from), parseSegmentName(until))],
    })),
    found: questions.spans.map(([from]) => ledger.entryOf(parseSegmentName(from)!)),
    runs: runs.timelines.map((timeline) => runs.of(timeline)).filter((list) => list.length > 0),
  };
}

export interface Questions {
  readonly segmentSize: number;
  /** Pairs of segment names, both included. */
  readonly spans: readonly (readonly [string, string])[];
}

/** Whole lines only; of several with one name the last counts. */
function naiveEntries(index: string): WalEntry[] {
  const entries = new Map<string, WalEntry>();
  for (const line of index.split('\n').slice(0, -1)) {
    const entry = parseWalEntry(line);
    if (entry !== undefined) entries.set(entry.name, entry);
    else if (line.trim() !== '') throw new Error(`not a line: ${line}`);
  }
  return [...entries.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
