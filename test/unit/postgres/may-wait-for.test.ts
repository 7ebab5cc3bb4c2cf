import { expect, test } from 'vitest';
import { mayWaitFor } from '../../../src/postgres/may-wait-for.ts';
import { parseStandbyNames } from '../../../src/postgres/parse-standby-names.ts';

test.each([
  { setting: '', waits: false },
  { setting: 'barman', waits: true },
  { setting: 'other, barman', waits: true },
  { setting: 'BARMAN', waits: true },
  { setting: '"Barman"', waits: true },
  { setting: '*', waits: true },
  { setting: '2 (other, barman)', waits: true },
  { setting: 'FIRST 1 (other, "barman")', waits: true },
  { setting: 'any 1 (other,*)', waits: true },
  { setting: 'other', waits: false },
  { setting: 'barman2', waits: false },
  { setting: '"a barman"', waits: false },
  { setting: '"a, barman"', waits: false },
  { setting: '"a ""barman"""', waits: false },
])("commits wait for the standby 'barman' with '$setting': $waits", ({ setting, waits }) => {
  expect(mayWaitFor('barman', parseStandbyNames(setting))).toBe(waits);
});

test.each([
  { name: 'first', setting: 'FIRST 1 (other)' },
  { name: '1', setting: 'ANY 1 (other)' },
])("the word '$name' before the list of '$setting' is no name", ({ name, setting }) => {
  expect(mayWaitFor(name, parseStandbyNames(setting))).toBe(false);
});

test.each([
  { setting: 'a', names: ['a'] },
  { setting: '2 (a, b)', names: ['a', 'b'] },
  { setting: 'FIRST 1 (other, "a")', names: ['other', 'a'] },
  { setting: 'ANY 1 (*)', names: ['*'] },
  { setting: '"a,b", c', names: ['a,b', 'c'] },
])("'$setting' names $names", ({ setting, names }) => {
  expect(parseStandbyNames(setting)).toEqual(names);
});
