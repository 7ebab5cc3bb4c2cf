import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shownLine } from '../../../src/shared/shown-text.ts';

test.each([
  ['x\u001B[31m\ny', String.raw`x\x1b[31m\ny`],
  ['a\r\nb\u0007\u007F\u009B', String.raw`a\r\nb\x07\x7f\x9b`],
  ['\u2028\u2029\u202Egnp\u2066\u200F\uFEFF', String.raw`\u2028\u2029\u202egnp\u2066\u200f\ufeff`],
  ['caf\udce9', String.raw`caf\xe9`],
  ['\tTab, Büro, 漢字, 😀, \\n', '\tTab, Büro, 漢字, 😀, \\n'],
])('%j is shown as %j', (text, shown) => {
  expect(shownLine(text)).toBe(shown);
});

test('nothing that is shown can end its line or work on a terminal, and ordinary text is not changed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(shownLine(text)).not.toMatch(/[\u0000-\u0008\n-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
      expect(shownLine(text)).toBe(text);
    }),
  );
});
