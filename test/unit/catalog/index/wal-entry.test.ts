import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatWalEntry, parseWalEntry, type WalEntry } from '../../../../src/catalog/index/wal-entry.ts';
import { segmentName } from '../../../../src/wal/wal-name.ts';
import { walOf } from '../a-backup.ts';

const name = '000000010000000000000002';

test.each([
  { line: `${name}\t16777216\t1795386333.43906`, compression: null, encryption: null },
  { line: `${name}\t16777216\t1795386333.43906\tgzip`, compression: 'gzip', encryption: null },
  { line: `${name}\t16777216\t1795386333.43906\tNone`, compression: null, encryption: null },
  { line: `${name}\t16777216\t1795386333.43906\tNone\tNone`, compression: null, encryption: null },
  { line: `${name}\t16777216\t1795386333.43906\tlz4\tgpg`, compression: 'lz4', encryption: 'gpg' },
  { line: `  ${name}  16777216 1795386333.43906 zstd `, compression: 'zstd', encryption: null },
])('$line is an entry', ({ line, compression, encryption }) => {
  expect(parseWalEntry(line)).toEqual({ name, size: 16_777_216, time: 1795386333.43906, compression, encryption });
});

test.each([
  '',
  name,
  `${name}\t16777216`,
  `${name}\t16777216\t1.0\tNone\tNone\tNone`,
  `${name}.gz\t16777216\t1.0\tNone`,
  `${name}\tlarge\t1.0\tNone`,
  `${name}\t1.5\t1.0\tNone`,
  `${name}\t16777216\tyesterday\tNone`,
  `../${name}\t16777216\t1.0\tNone`,
])('"%s" is none', (line) => {
  expect(parseWalEntry(line)).toBeUndefined();
});

test('the fifth column is written only when it says something', () => {
  const entry: WalEntry = { name: walOf('1:2'), size: 5, time: 1, compression: 'gzip', encryption: null };
  expect(formatWalEntry(entry)).toBe(`${name}\t5\t1.0\tgzip\n`);
  expect(formatWalEntry({ ...entry, compression: null })).toBe(`${name}\t5\t1.0\tNone\n`);
  expect(formatWalEntry({ ...entry, encryption: 'gpg' })).toBe(`${name}\t5\t1.0\tgzip\tgpg\n`);
});

test('an entry comes back as it was written', () => {
  const entries = fc.record({
    name: fc.record({ timeline: fc.integer({ min: 1, max: 0xffff_ffff }), log: fc.nat(), segment: fc.nat() }).map(segmentName),
    size: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
    time: fc.double({ min: 0, max: 4e9, noNaN: true }),
    compression: fc.constantFrom(null, 'gzip', 'custom'),
    encryption: fc.constantFrom(null, 'gpg'),
  });
  fc.assert(
    fc.property(entries, (entry) => {
      expect(parseWalEntry(formatWalEntry(entry))).toEqual(entry);
    }),
  );
});
