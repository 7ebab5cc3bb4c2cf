import { expect, test } from 'vitest';
import { hasControlCharacter } from '../../../src/shared/has-control-character.ts';

test('a control character is one of the class Cc, and nothing else', () => {
  for (let code = 0; code <= 0x2100; code++) {
    const text = `a${String.fromCharCode(code)}b`;
    expect([code, hasControlCharacter(text)]).toEqual([code, /\p{Cc}/u.test(text)]);
  }
});
