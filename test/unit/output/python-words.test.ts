import { expect, test } from 'vitest';
import { shown, shownSet, shownSpan } from '../../../src/output/python-words.ts';
import { PythonFloat } from '../../../src/shared/python-literal.ts';

test.each([
  [undefined, 'None', null],
  [null, 'None', null],
  [true, 'True', true],
  [false, 'False', false],
  [7, '7', 7],
  [new PythonFloat(30), '30.0', 30],
  ['text', 'text', 'text'],
  [['a', "it's", 'b\\'], String.raw`['a', "it's", 'b\\']`, ['a', "it's", 'b\\']],
  [[], '[]', []],
  [[1, null, true], '[1, None, True]', [1, null, true]],
  [{ a: 1, b: null }, "{'a': 1, 'b': None}", { a: 1, b: null }],
  [{ a: 'x', b: ['y'] }, "{'a': 'x', 'b': ['y']}", { a: 'x', b: ['y'] }],
])('%j is shown as %s', (value, text, json) => {
  expect(shown(value)).toEqual({ text, json });
});

test('a set of words carries the name of its class', () => {
  expect(shownSet('BackupOptions', ['concurrent_backup'])).toEqual({
    text: "BackupOptions({'concurrent_backup'})",
    json: "BackupOptions({'concurrent_backup'})",
  });
  expect(shownSet('RecoveryOptions', []).text).toBe('RecoveryOptions()');
});

test.each([
  [0, '0:00:00'],
  [59, '0:00:59'],
  [7_200, '2:00:00'],
  [86_399, '23:59:59'],
  [86_400, '1 day, 0:00:00'],
  [7 * 86_400, '7 days, 0:00:00'],
  [90_061, '1 day, 1:01:01'],
])('%d seconds are shown as %s', (seconds, text) => {
  expect(shownSpan(seconds).text).toBe(text);
});
