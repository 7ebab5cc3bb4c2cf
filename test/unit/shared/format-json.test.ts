import { expect, test } from 'vitest';
import { formatFixed, formatRatio } from '../../../src/shared/format-fixed.ts';
import { formatJson, type Json } from '../../../src/shared/format-json.ts';

test.each<{ fact: string; value: Json; text: string }>([
  { fact: 'keys are sorted', value: { b: 1, a: { d: null, c: true } }, text: '{"a": {"c": true, "d": null}, "b": 1}' },
  { fact: 'a comma and a colon are followed by a blank', value: [1, 'x'], text: '[1, "x"]' },
  { fact: 'nothing but printable ASCII is left', value: 'é😀\u007F\n', text: '"\\u00e9\\ud83d\\ude00\\u007f\\n"' },
  { fact: 'numbers read as from Python', value: [0.5, 1e-7, 23277000], text: '[0.5, 1e-07, 23277000]' },
  { fact: 'nothing stays nothing', value: { a: [], b: {} }, text: '{"a": [], "b": {}}' },
])('$fact', ({ value, text }) => {
  expect(formatJson(value, { sortKeys: true })).toBe(text);
});

test('an indent puts each item on its own line, in the order given', () => {
  expect(formatJson({ b: [1, 2], a: [], c: {} }, { indent: 4 })).toBe(
    '{\n    "b": [\n        1,\n        2\n    ],\n    "a": [],\n    "c": {}\n}',
  );
});

test.each([
  { value: 0.125, digits: 2, text: '0.12' },
  { value: 0.375, digits: 2, text: '0.38' },
  { value: -0.125, digits: 2, text: '-0.12' },
  { value: 1.25, digits: 1, text: '1.2' },
  { value: 1.005, digits: 2, text: '1.00' },
  { value: 80, digits: 2, text: '80.00' },
])('$value with $digits digits is $text, as in Python', ({ value, digits, text }) => {
  expect(formatFixed(value, digits)).toBe(text);
});

test('a ratio is shown in hundredths of a percent', () => {
  expect(formatRatio(1 - 40000 / 16777216)).toBe('99.76%');
});
