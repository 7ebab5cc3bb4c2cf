import { expect, test } from 'vitest';
import { parseIni } from '../../../src/config/parse-ini.ts';
import { OperatorError } from '../../../src/shared/operator-error.ts';

test.each([
  { fact: 'an equals sign separates key and value', content: '[s]\nkey=v', value: 'v' },
  { fact: 'a colon separates key and value too', content: '[s]\nkey: v', value: 'v' },
  { fact: 'the first delimiter counts', content: '[s]\nkey = a=b:c', value: 'a=b:c' },
  { fact: 'keys are lower-cased', content: '[s]\nKEY = V', value: 'V' },
  { fact: 'blanks around key and value are dropped', content: '[s]\nkey   =   v  ', value: 'v' },
  { fact: 'there is no comment behind a value', content: '[s]\nkey = 1 ; note # more', value: '1 ; note # more' },
  { fact: 'a line that begins with # is a comment', content: '[s]\n# key = 2\nkey = 1\n  # key = 3', value: '1' },
  { fact: 'a line that begins with ; is a comment', content: '[s]\nkey = 1\n;key = 3', value: '1' },
  { fact: 'a deeper line continues the value', content: '[s]\nkey = a\n   b\n\tc', value: 'a\nb\nc' },
  { fact: 'an empty line inside a value stays', content: '[s]\nkey = a\n\n  b\n\n', value: 'a\n\nb' },
  { fact: 'a comment inside a value is dropped', content: '[s]\nkey = a\n# no\n  b', value: 'a\nb' },
  { fact: 'the last of repeated keys wins', content: '[s]\nkey = 1\nkey = 2', value: '2' },
  { fact: 'a repeated section is one section', content: '[s]\nkey = 1\n[t]\nkey = 2\n[s]\nother = 3', value: '1' },
  { fact: 'a section may be indented, and its keys too', content: '  [s]\n    key = 1', value: '1' },
  { fact: 'lines may end as on Windows', content: '\uFEFF[s]\r\nkey = 1\r\n', value: '1' },
  { fact: 'a value may be empty', content: '[s]\nkey =\nother = 1', value: '' },
  { fact: 'quotes are left for later', content: '[s]\nkey = "v"', value: '"v"' },
])('$fact', ({ content, value }) => {
  expect(parseIni(content, 'f').sections.get('s')?.get('key')?.text).toBe(value);
});

test('section names are case sensitive and DEFAULT stands apart', () => {
  const ini = parseIni('[DEFAULT]\na = 1\n[S]\n[s]\nb = 2', 'f');
  expect([...ini.sections.keys()]).toEqual(['S', 's']);
  expect(ini.defaults.get('a')?.text).toBe('1');
  expect(ini.sectionLines.get('s')).toBe(4);
});

test('an option knows its file and line', () => {
  expect(parseIni('# x\n\n[s]\nkey = 1', 'f.conf').sections.get('s')?.get('key')).toEqual({
    text: '1',
    file: 'f.conf',
    line: 4,
  });
});

test.each([
  { fact: 'text before the first section', content: 'key = 1', line: 1 },
  { fact: 'a key without delimiter', content: '[s]\nkey', line: 2 },
  { fact: 'a value without key', content: '[s]\n\n= 1', line: 3 },
])('$fact is refused with its file and line', ({ content, line }) => {
  expect(() => parseIni(content, 'f.conf')).toThrow(OperatorError);
  expect(() => parseIni(content, 'f.conf')).toThrow(new RegExp(`^f\\.conf:${String(line)}: `));
});

test('a broken line does not show the password in it', () => {
  expect(() => parseIni('[s]\nhost pg password hush', 'f')).toThrow(/^(?!.*hush).*password/);
});
