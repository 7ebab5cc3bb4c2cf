import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatFixed, formatRatio } from '../../../src/shared/format-fixed.ts';
import { lacksPrograms } from '../../helpers/installations.ts';
import { runProgram } from '../../helpers/run-program.ts';

test.each([
  [0.125, 2, '0.12'],
  [0.375, 2, '0.38'],
  [-0.125, 2, '-0.12'],
  [2.5, 0, '2'],
  [3.5, 0, '4'],
  [0.005, 2, '0.01'],
  [1.005, 2, '1.00'],
  [0.25, 1, '0.2'],
  [0.75, 1, '0.8'],
])('%d with %d digits is %s', (value, digits, text) => {
  expect(formatFixed(value, digits)).toBe(text);
});

test.each([
  [0.9996, '99.96%'],
  [0, '0.00%'],
  [1, '100.00%'],
  [-0.5, '-50.00%'],
])('the ratio %d is %s', (ratio, text) => {
  expect(formatRatio(ratio)).toBe(text);
});

test.skipIf(lacksPrograms('python3'))('two digits look as Python writes them', async () => {
  const numbers = [
    ...fc.sample(fc.integer({ min: 0, max: 80_000 }), 200).map((number) => number / 8),
    ...fc.sample(fc.double({ min: 0, max: 1e6, noNaN: true }), 200),
  ];
  const script = 'import json, sys\nprint(json.dumps(["%.2f" % float(x) for x in json.load(sys.stdin)]))';
  const result = await runProgram(['python3', '-c', script], { input: JSON.stringify(numbers.map(String)), env: process.env });
  expect(numbers.map((number) => formatFixed(number, 2))).toEqual(JSON.parse(result.stdout));
});
