import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quoteWord, quoteWords, splitWords } from '../../../src/shared/shell-words.ts';

test.each([
  { text: 'ssh -o "User Known" postgres@db', words: ['ssh', '-o', 'User Known', 'postgres@db'] },
  { text: `a'b c'"d e"f`, words: ['ab cd ef'] },
  { text: `'' ""`, words: ['', ''] },
  { text: 'a\\ b "c\\"d" "e\\f"', words: ['a b', 'c"d', 'e\\f'] },
  { text: '  ', words: [] },
])('$text splits as a shell splits it', ({ text, words }) => {
  expect(splitWords(text)).toEqual(words);
});

test.each(['"open', "'open", 'end\\'])('%s is refused', (text) => {
  expect(() => splitWords(text)).toThrow();
});

test('quoting any words and splitting them gives the words back', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary' })), (words) => {
      expect(splitWords(quoteWords(words))).toEqual(words);
    }),
  );
});

test('a real shell reads a quoted word as one word, whatever is in it', () => {
  for (const word of ["it's", '$HOME `id` $(id)', 'a\nb', '*', '~', '"', '\\', '']) {
    const seen = execFileSync('sh', ['-c', `printf %s ${quoteWord(word)}`], { encoding: 'utf8' });
    expect(seen).toBe(word);
  }
});
