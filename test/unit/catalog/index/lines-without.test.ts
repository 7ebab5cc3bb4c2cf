import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { linesWithout } from '../../../../src/catalog/index/lines-without.ts';
import { parseWalName, type WalName } from '../../../../src/wal/wal-name.ts';
import { createTemporaryFolder } from '../../../helpers/temporary-folder.ts';

/** What is left, worked out in the plainest way. */
function naively(text: string, names: ReadonlySet<string>): string {
  const lines = text.split('\n').slice(0, -1); // what stands behind the last newline is torn
  return lines
    .filter((line) => !names.has(parseWalName(/^\s*(\S+)/.exec(line)?.[1] ?? '') ?? ''))
    .map((line) => `${line}\n`)
    .join('');
}

async function leftOf(path: string, text: string, names: ReadonlySet<WalName>): Promise<string> {
  await writeFile(path, text);
  await using file = await open(path, 'r');
  let left = '';
  for await (const piece of linesWithout(file, names)) left += piece.toString('latin1');
  return left;
}

const segment = fc
  .integer({ min: 1, max: 40 })
  .map((number) => `0000000${String(1 + (number % 3))}00000000${number.toString(16).toUpperCase().padStart(8, '0')}`);
const name = fc.oneof(
  { weight: 8, arbitrary: segment },
  segment.map((of) => `${of}.partial`),
  segment.map((of) => `${of}.00000028.backup`),
  fc.constantFrom('00000002.history', '0000000B.history'),
);
const line = fc.oneof(
  { weight: 8, arbitrary: name.map((of) => `${of}\t5000\t1704067200.0\tNone`) },
  name.map((of) => ` ${of} 5000 1704067200.0 None`), // as a hand wrote it
  name,
  fc.constantFrom('', '\t', 'nonsense', '000000010000000000000001x\t1'),
);

test('the lines of some names go, and all others stay as they are', async () => {
  await using folder = await createTemporaryFolder('lines');
  await fc.assert(
    fc.asyncProperty(fc.array(line), fc.array(name), fc.constantFrom('', '0000000100'), async (lines, gone, torn) => {
      const names = new Set(gone as WalName[]);
      const text = lines.map((each) => `${each}\n`).join('') + torn;
      expect(await leftOf(join(folder.path, 'index'), text, names)).toBe(naively(text, names));
    }),
    { numRuns: 500 },
  );
});

test.each(['oldest', 'newest', 'every third', 'none', 'all'])(
  '%s of 100,000 lines, which are read in pieces',
  async (which) => {
    await using folder = await createTemporaryFolder('lines');
    const count = 100_000;
    const all = Array.from({ length: count }, (_, number) => `00000001${number.toString(16).toUpperCase().padStart(16, '0')}`);
    const isGone = {
      oldest: (number: number) => number < count / 4,
      newest: (number: number) => number > count / 2,
      'every third': (number: number) => number % 3 === 0,
      none: () => false,
      all: () => true,
    }[which];
    const names = new Set(all.filter((_name, number) => isGone?.(number)) as WalName[]);
    const long = `${'x'.repeat(3 << 20)}\n`; // longer than one read
    const half = all.slice(0, count / 2).map((of) => `${of}\t5000\t1704067200.0\tNone\n`);
    const rest = all.slice(count / 2).map((of) => `${of}\t5000\t1704067200.0\tNone\n`);
    const text = `${half.join('')}${long}${rest.join('')}torn`;
    const left = await leftOf(join(folder.path, 'index'), text, names);
    expect(left === naively(text, names)).toBe(true);
  },
);
