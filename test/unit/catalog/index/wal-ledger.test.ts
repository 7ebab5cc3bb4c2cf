import { appendFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addIndexLines, LedgerBuilder } from '../../../../src/catalog/index/ledger-builder.ts';
import { decodeLedger, encodeLedger } from '../../../../src/catalog/index/ledger-store.ts';
import { readLedger } from '../../../../src/catalog/index/read-ledger.ts';
import { parseWalEntry } from '../../../../src/catalog/index/wal-entry.ts';
import { WalIndex } from '../../../../src/catalog/index/wal-index.ts';
import { WalLedger } from '../../../../src/catalog/index/wal-ledger.ts';
import { type ServerLayout, xlogdbPath } from '../../../../src/catalog/server-layout.ts';
import { segmentName } from '../../../../src/wal/wal-name.ts';
import { aCatalog } from '../a-catalog.ts';
import { answersOf, naiveAnswers } from '../naive-ledger.ts';

const mib = 1024 * 1024;
const timelines = fc.integer({ min: 1, max: 3 });
/** Around the border of a log file of segments of 1 GiB, and of 16 MiB. */
const places = fc.record({
  timeline: timelines,
  log: fc.constantFrom(0, 1, 2),
  segment: fc.constantFrom(0, 1, 2, 3, 4, 254, 255),
});
const segments = places.map(segmentName);
const names = fc.oneof(
  { weight: 9, arbitrary: segments },
  segments.map((name) => `${name}.partial`),
  segments.map((name) => `${name}.00000028.backup`),
  timelines.map((timeline) => `0000000${String(timeline)}.history`),
);
const columns = fc.constantFrom('None', 'None\tNone', 'gzip', 'zstd\tgpg');
const lines = fc
  .record({
    name: names,
    size: fc.nat(20 * mib),
    time: fc.nat(2_000_000),
    form: columns,
    shape: fc.constantFrom('tabs', 'spaces', 'old'),
  })
  .map(({ name, size, time, form, shape }) => {
    const line = `${name}\t${String(size)}\t${String(time / 4)}\t${form}`;
    if (shape === 'old') return `${name} ${String(size)} ${String(time)}\n`;
    return `${shape === 'tabs' ? line : line.replaceAll('\t', '  ')}\n`;
  });
const questions = fc.record({
  segmentSize: fc.constantFrom(16 * mib, 1024 * mib),
  spans: fc.array(fc.tuple(segments, segments), { minLength: 1, maxLength: 4 }),
});

function add(ledger: WalLedger, text: string): WalLedger {
  const builder = new LedgerBuilder(ledger);
  const piece = Buffer.from(text);
  expect(addIndexLines(piece, builder, fail)).toEqual({ bytes: piece.length, lines: text.split('\n').length - 1 });
  return builder.build();
}

function fail(line: string): never {
  throw new Error(`not a line: ${line}`);
}

test('a ledger answers what the index says, in whatever pieces it was read', () => {
  fc.assert(
    fc.property(fc.array(fc.array(lines, { maxLength: 12 }), { maxLength: 4 }), questions, (pieces, asked) => {
      let ledger = new WalLedger();
      for (const piece of pieces) ledger = add(ledger, piece.join(''));
      const expected = naiveAnswers(pieces.flat().join(''), asked);
      expect(answersOf(ledger, asked)).toEqual(expected);
      const stored = decodeLedger(new Uint8Array(Buffer.concat(encodeLedger({ ledger, end: 1, checksum: 2 }))));
      expect(answersOf(stored!.ledger, asked)).toEqual(expected);
    }),
    { numRuns: 3000 },
  );
});

type Step = (layout: ServerLayout, next: readonly string[], choice: number) => Promise<void>;

/** What happens to an index, by us, by the other program, and by accident. */
const steps: Readonly<Record<string, Step>> = {
  ourAppend: async (layout, next) => {
    await using index = await WalIndex.open(layout);
    await index.append(next.flatMap((line) => parseWalEntry(line) ?? []));
  },
  foreignAppend: async (layout, next) => await appendFile(xlogdbPath(layout), await untorn(layout, next.join(''))),
  torn: async (layout, [line = 'x']) => await appendFile(xlogdbPath(layout), line.slice(0, line.length >> 1)),
  ourRemoval: async (layout, _next, choice) => {
    const entries = [...(await readLedger(layout)).entries()];
    await using index = await WalIndex.open(layout);
    await index.remove(new Set(entries.filter((_, position) => position % 3 === choice % 3).map(({ name }) => name)));
  },
  foreignRewrite: async (layout, _next, choice) => {
    const kept = (await wholeLines(layout)).filter((_, position) => position % 4 !== choice % 4);
    await writeInPlace(layout, kept.join(''));
  },
  foreignRewriteOfSameSize: async (layout, _next, choice) => {
    const all = await wholeLines(layout);
    const text = all.map((line, position) =>
      position === choice % all.length ? line.replace(/\d(?=\D+$)/, (digit) => String(9 - Number(digit))) : line,
    );
    await writeInPlace(layout, text.join(''));
  },
  lostLedger: async (layout) => await rm(join(layout.root, '.pgcellar', 'wal-ledger'), { force: true }),
  lostMark: async (layout) => await rm(join(layout.root, '.pgcellar', 'wal-ledger.mark'), { force: true }),
  damagedLedger: async (layout, _next, choice) => {
    const path = join(layout.root, '.pgcellar', 'wal-ledger');
    const content = await readFile(path);
    content[choice % content.length] = (content[choice % content.length] ?? 0) ^ 4;
    await writeFile(path, content);
  },
};

/** Barman ends a torn line with what it appends next, and both become one line that is none: a crash of ours is cut off first. */
async function untorn(layout: ServerLayout, text: string): Promise<string> {
  const whole = (await wholeLines(layout)).join('');
  await truncate(xlogdbPath(layout), Buffer.byteLength(whole));
  return text;
}

async function wholeLines(layout: ServerLayout): Promise<string[]> {
  const text = await readFile(xlogdbPath(layout), 'utf8');
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => `${line}\n`);
}

/** As Barman does: the same file, cut where the new content ends. */
async function writeInPlace(layout: ServerLayout, text: string): Promise<void> {
  await writeFile(xlogdbPath(layout), text, { flag: 'r+' });
  await truncate(xlogdbPath(layout), Buffer.byteLength(text));
}

test('the ledger of a server equals the index after every step of its history', { timeout: 120_000 }, async () => {
  const step = fc.record({
    kind: fc.constantFrom(...Object.keys(steps)),
    next: fc.array(lines, { minLength: 1, maxLength: 5 }),
    choice: fc.nat(1000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 10 }), questions, async (history, asked) => {
      await using catalog = await aCatalog({ 'wals/main-xlog.db': '', '.pgcellar/wal-ledger': 'x' });
      for (const { kind, next, choice } of history) {
        await steps[kind]?.(catalog.layout, next, choice);
        const ledger = await readLedger(catalog.layout);
        expect(answersOf(ledger, asked)).toEqual(naiveAnswers(await readFile(xlogdbPath(catalog.layout), 'utf8'), asked));
      }
    }),
    { numRuns: 60 },
  );
});
